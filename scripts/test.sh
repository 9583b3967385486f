#!/bin/sh
# All tests, then the documentation's examples. cargo-nextest is used where it is installed; it is not required.
set -eu
# Without LIBTORCH's libraries in place torch-sys fails late and unclearly.
[ -e third_party/libtorch/stamp ] || [ -n "${LIBTORCH:-}" ] || { echo "libtorch is missing: run 'make setup'" >&2; exit 1; }
cargo test --workspace --doc --quiet
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace "$@"
else
    cargo test --workspace --lib --bins --tests "$@"
fi
