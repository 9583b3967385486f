#!/bin/sh
# Two runs share a results folder on a network file system, GlusterFS on loopback, each by a mount of its own; one is killed in the middle.
# Needs root, FUSE and Debian's glusterfs-server; is skipped without.
set -eu
cd "$(dirname "$0")/.."
for program in glusterd gluster mount.glusterfs; do
    command -v $program >/dev/null || { echo "skipped: make test-network (no $program: apt install glusterfs-server)"; exit 0; }
done
[ "$(id -u)" = 0 ] && [ -e /dev/fuse ] || { echo "skipped: make test-network (needs root and /dev/fuse)"; exit 0; }
place=$(mktemp -d)
volume=two-mounts-$$
host=$(hostname)
started=
clear() {
    umount "$place/one" "$place/two" 2>/dev/null || true
    gluster --mode=script volume stop "$volume" force >/dev/null 2>&1 || true
    gluster --mode=script volume delete "$volume" >/dev/null 2>&1 || true
    [ -z "$started" ] || pkill -x glusterd || true
    rm -rf "$place"
}
trap clear EXIT
mkdir "$place/brick" "$place/one" "$place/two"
pgrep -x glusterd >/dev/null || { glusterd -l "$place/glusterd.log"; started=yes; }
for try in 1 2 3 4 5 6 7 8 9 10; do
    gluster --mode=script volume list >/dev/null 2>&1 && break
    sleep 1
done
gluster --mode=script volume create "$volume" "$host:$place/brick" force >/dev/null
gluster --mode=script volume start "$volume" >/dev/null
for mount in one two; do mount -t glusterfs "$host:/$volume" "$place/$mount"; done
python3 tests/network/two_mounts.py "$place/one" "$place/two"
