#!/bin/sh
# Builds the Python package into python/.venv, and runs its tests and its type checks there.
set -eu
cd "$(dirname "$0")/../python"
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check '.[test]'
# What is installed is tested, not the folder beside the tests.
cd tests
../.venv/bin/python -m pytest -q -p no:cacheprovider "$@" .
cd ..
.venv/bin/python -m mypy --strict --cache-dir .venv/mypy -p actionfinder
