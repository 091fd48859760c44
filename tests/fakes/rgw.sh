#!/bin/bash
# rgw.sh start|stop FOLDER [PORT MONITOR_PORT [OWNER_PID]] - a real Ceph object gateway on 127.0.0.1, objects in memory.
# Needs neither root nor systemd; everything lies in FOLDER; ready in about a second.
set -eu
action=$1 folder=$2 port=${3:-7480} monitor=${4:-33300} owner=${5:-}
export CEPH_CONF=$folder/ceph.conf

if [ "$action" = stop ]; then
    # Nothing in memory is worth a graceful stop, which takes seconds.
    for file in "$folder"/run/*.pid; do [ -f "$file" ] && kill -9 "$(cat "$file")" 2>/dev/null || true; done
    rm -rf "$folder"
    exit 0
fi

uuid() { cat /proc/sys/kernel/random/uuid; }
cluster=$(uuid) disk=$(uuid)
mkdir -p "$folder"/{run,mon,osd,log}
cat >"$CEPH_CONF" <<CONF
[global]
fsid = $cluster
mon host = [v2:127.0.0.1:$monitor]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
# Without this radosgw waits five minutes for a monitor it has already found.
ms mon client mode = crc
run dir = $folder/run
pid file = $folder/run/\$name.pid
admin socket = $folder/run/\$name.asok
log file = $folder/log/\$name.log
crash dir = $folder/log
debug ms = 0/0
debug rgw = 0/0
mon data = $folder/mon
osd data = $folder/osd
osd objectstore = memstore
memstore device bytes = 6000000000
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 0
# A monitor on its own need not wait for others: 1 s to start instead of 13.
paxos propose interval = 0.02
paxos min wait = 0.01
rgw frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
rgw dns name = obs.localhost
# The smallest part that OBS takes.
rgw multipart min part size = 102400
rgw gc obj min wait = 1
rgw gc processor period = 2
rgw override bucket index max shards = 1
CONF

monmaptool --create --clobber --fsid "$cluster" --addv a "[v2:127.0.0.1:$monitor]" "$folder/monmap"
ceph-mon --mkfs -i a --monmap "$folder/monmap"
ceph-mon -i a
ceph osd new "$disk"
ceph-osd -i 0 --mkfs --osd-uuid "$disk"
ceph-osd -i 0
radosgw -n client.rgw
for _ in $(seq 300); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    sleep 0.1
done
radosgw-admin user create --uid=test --display-name=test --access-key=storeak --secret-key=storesk
# The memory store miscounts when objects are removed; below zero it would call itself full. This keeps it above.
head -c 67108864 /dev/zero | rados -p .rgw.root put ballast -
if [ -n "$owner" ]; then
    # Stop when whoever started this is gone, however it went.
    setsid bash -c 'while kill -0 "$1" 2>/dev/null; do sleep 1; done; exec bash "$2" stop "$3"' _ \
        "$owner" "$0" "$folder" >/dev/null 2>&1 </dev/null &
fi
