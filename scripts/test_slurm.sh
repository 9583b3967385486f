#!/bin/sh
# Runs a sweep by a real Slurm on loopback, or with --check only starts one; it gets it from Debian's packages where it is missing.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
for program in munged slurmctld slurmd sbatch; do
    if ! command -v "$program" >/dev/null; then
        echo "$program is missing: installing slurmctld, slurmd, slurm-client and munge"
        if ! DEBIAN_FRONTEND=noninteractive timeout 120 apt-get -o Acquire::http::Timeout=20 -o Acquire::Retries=0 install -y --no-install-recommends slurmctld slurmd slurm-client munge >/dev/null; then
            echo "Slurm could not be installed: test-slurm needs Debian's packages slurmctld slurmd slurm-client munge" >&2
            exit 1
        fi
        break
    fi
done
exec python3 tests/slurm/test_slurm.py "$@"
