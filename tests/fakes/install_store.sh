#!/bin/bash
# Installs the real store that the tests of obs_sync run against: Ceph's object gateway with one monitor and one disk.
# About a minute and 290 MB. Without these packages the tests fall back to moto and say so.
set -eu
missing=
for program in radosgw ceph-mon ceph-osd radosgw-admin monmaptool rados; do
    command -v "$program" >/dev/null || missing=$program
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "install_store.sh: needs root and apt-get; the obs tests will use moto instead" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
{ apt-get update && apt-get install -y --no-install-recommends \
    radosgw ceph-mon ceph-osd ceph-common; } >/tmp/install_store.log 2>&1 || {
    tail -3 /tmp/install_store.log >&2
    echo "install_store.sh: the packages cannot be had; the obs tests will use moto instead" >&2
}
