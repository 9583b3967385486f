#!/bin/sh
# Builds the Python package into python/.venv, and runs its tests and its type checks there; where the program is built, its exported
# tables are opened in every library, too.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root/python"
python=.venv/bin/python
[ -x $python ] || python3 -m venv .venv || { echo "python3 makes no virtual environment (Debian: apt install python3-venv)" >&2; exit 1; }
pip="$python -m pip --disable-pip-version-check"
# maturin is looked for by its name.
PATH=$PWD/.venv/bin:$PATH
export PATH
# Apart from the build, so that what failed is clear.
$pip install --quiet 'maturin>=1.9,<2' || { echo "pip cannot fetch maturin: the Python tests need the package registry" >&2; exit 1; }
# Less is optimised than in a wheel that one keeps: results are the same to the last bit.
CARGO_PROFILE_RELEASE_OPT_LEVEL=1 $pip install --quiet --no-build-isolation '.[test]'
program=$root/target/debug/actionfinder
# Its results are read in examples.
[ ! -x "$program" ] || (cd "$root" && "$program" run pipelines/quickstart.yaml --log plain >/dev/null)
# What is installed is tested, not the folder beside the tests.
cd tests
../$python -m pytest -q -p no:cacheprovider "$@" .
cd ..
$python -m mypy --strict --cache-dir .venv/mypy -p actionfinder
if [ -x "$program" ]; then
    cd "$root"
    "$program" run pipelines/clusters.yaml --log plain >/dev/null
    python/$python tests/python/open_tables.py "$program" pipelines/clusters.yaml
else
    echo "skipped: tests/python/open_tables.py (the program is not built: make build)"
fi
