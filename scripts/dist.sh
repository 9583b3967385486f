#!/bin/sh
# Packs a folder that runs wherever it is put, on a Linux of the same processor with glibc as new as here: program, tensor library, libtorch
# for the CPU, pipelines, manual pages, completions. `scripts/dist.sh try` unpacks it elsewhere, hides this checkout, and runs the quick start;
# `scripts/dist.sh bare` does so in a root folder with nothing but a minimal Debian, which debootstrap makes (as root).
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=actionfinder-$version-$(uname -m)-linux
packed=target/dist/$name.tar.gz

pack() {
    echo "building $name; the first time this takes some minutes"
    ACTIONFINDER_DIST=1 cargo build
    rm -rf "target/dist/$name"
    folder=target/dist/$name
    mkdir -p "$folder/bin" "$folder/lib/actionfinder" "$folder/share/actionfinder" "$folder/share/bash-completion/completions"
    strip -o "$folder/bin/actionfinder" target/debug/actionfinder
    strip -o "$folder/lib/actionfinder/libtensor_stages.so" target/debug/deps/libtensor_stages.so
    for library in libtorch_cpu.so libc10.so libgomp.so.1 libcudart.so.13 libcupti.so.13; do
        cp -L "third_party/libtorch/lib/$library" "$folder/lib/actionfinder/"
    done
    cp -r pipelines "$folder/share/actionfinder/pipelines"
    cp README.md CHANGELOG.md CITATION.cff LICENSE-APACHE LICENSE-MIT "$folder/"
    "$folder/bin/actionfinder" manual "$folder/share/man/man1"
    "$folder/bin/actionfinder" completions bash >"$folder/share/bash-completion/completions/actionfinder"
    tar -C target/dist -czf "$packed" "$name"
    rm -rf "$folder"
    du -h "$packed"
}

# In a mount namespace of its own the checkout is covered by an empty folder, so that nothing of it can be found.
try() {
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    tar -C "$place" -xzf "$packed"
    unshare --user --map-root-user --mount sh -euc '
        mount -t tmpfs none "$1"
        cd "$2"
        env -i PATH=/usr/bin:/bin HOME="$2" ./bin/actionfinder doctor
        env -i PATH=/usr/bin:/bin HOME="$2" ./bin/actionfinder run share/actionfinder/pipelines/quickstart.yaml --results results --log plain
    ' sh "$PWD" "$place/$name"
}

# Debian 12 has glibc 2.36; DEBIAN names another release.
bare() {
    command -v debootstrap >/dev/null || { echo "debootstrap is missing (Debian: apt install debootstrap)" >&2; exit 1; }
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    debootstrap --variant=minbase "${DEBIAN:-bookworm}" "$root" >/dev/null
    tar -C "$root/opt" -xzf "$packed"
    # Workers look at their processes there. What is mounted in a namespace of its own goes with it.
    unshare --mount --pid --fork sh -euc '
        mount -t proc proc "$1/proc"
        chroot "$1" env -i PATH=/usr/bin:/bin HOME=/root sh -euc "
            cd /opt/$2
            ./bin/actionfinder doctor
            ./bin/actionfinder run share/actionfinder/pipelines/quickstart.yaml --results /root/results --log plain
        "
    ' sh "$root" "$name"
}

case ${1:-pack} in
pack) pack ;;
try) try ;;
bare) bare ;;
*)
    sed -n '2,4s/^# //p' "$0"
    exit 2
    ;;
esac
