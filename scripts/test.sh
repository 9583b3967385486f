#!/bin/sh
# The documentation's examples, then all tests, which end with the test runner's own summary. cargo-nextest is used where it
# is installed; it is not required. Failures of the one do not hide those of the other.
set -eu
# Without LIBTORCH's libraries in place torch-sys fails late and unclearly.
[ -e third_party/libtorch/stamp ] || [ -n "${LIBTORCH:-}" ] || { echo "libtorch is missing: run 'make setup'" >&2; exit 1; }

# The test of a full disk is marked as ignored because it mounts one: as root, else in a namespace of its own. Where neither
# can be done, the runner's summary counts it as skipped.
full_disk=no
within=
if [ "$(id -u)" = 0 ]; then
    full_disk=yes
elif unshare --user --map-root-user --mount true 2>/dev/null; then
    full_disk=yes
    within="unshare --user --map-root-user --mount"
fi

# `cargo nextest run --run-ignored all` runs these.
minutes='frequencies_of_the_reference_tables|a_spray_looks_like_an_nbody_stream'

status=0
cargo test --workspace --doc --quiet || status=$?
if cargo nextest --version >/dev/null 2>&1; then
    # The others that are ignored: processes that tests start, a measurement, and what takes minutes.
    [ $full_disk = no ] || [ $# -gt 0 ] || set -- --run-ignored all -E "not test(/child\$|no_op_plan_time|$minutes/)"
    $within cargo nextest run --workspace "$@" || status=$?
else
    [ $full_disk = no ] || [ $# -gt 0 ] || set -- -- --include-ignored --skip child --skip no_op_plan_time --skip frequencies_of_the_reference_tables --skip a_spray_looks_like_an_nbody_stream
    $within cargo test --workspace --lib --bins --tests --no-fail-fast "$@" || status=$?
fi
[ $full_disk = yes ] || echo "skipped: a_full_disk_fails_cleanly (no right to mount a disk here)" >&2
exit $status
