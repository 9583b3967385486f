#!/bin/sh
# Two clones share a sweep by an S3 server on loopback (moto), once as Google Cloud, which is damaged and killed; then a crate is validated by rocrate-validator.
# Both programs are fetched from PyPI into tests/cache/.venv.
set -eu
cd "$(dirname "$0")/.."
venv=tests/cache/.venv
python=$venv/bin/python
[ -x $python ] || python3 -m venv $venv || { echo "python3 makes no virtual environment (Debian: apt install python3-venv)" >&2; exit 1; }
$python -m pip --disable-pip-version-check install --quiet 'moto[server]>=5,<6' 'roc-validator>=0.8,<1' ||
    { echo "pip cannot fetch moto and roc-validator: test-cache needs the package registry" >&2; exit 1; }
exec $python tests/cache/test_cache.py "$@"
