#!/bin/sh
# Names every missing prerequisite, one line each, before anything is built.
missing=0
need() {
    if ! sh -c "$1" >/dev/null 2>&1; then
        echo "missing: $2" >&2
        missing=1
    fi
}
# The lesser of two versions is the first after sorting.
need 'v=$(cargo --version | cut -d " " -f 2) && [ "$(printf "1.90\n%s\n" "$v" | sort -V | head -n 1)" = 1.90 ]' \
    'cargo and rustc 1.90 or newer (https://rustup.rs)'
need 'git --version' 'git (Debian: apt install git)'
need 'c++ --version' 'a C++ compiler (Debian: apt install g++)'
need 'python3 --version' 'python3 (Debian: apt install python3)'
need 'python3 -m pip --version' 'pip for python3 (Debian: apt install python3-pip)'
if [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "missing: Linux on x86-64 (the pinned libtorch is built for it; this is $(uname -sm))" >&2
    missing=1
fi
exit $missing
