#!/bin/sh
# Process 1 of the guest of power.py. Words of the kernel's command line come as variables: options (of the mount),
# from (the first event of each lane, with commas).
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
while read -r module; do
	insmod "/modules/$module"
done </modules/order
ip link set lo up
mkdir -p /data /tmp
mount -t ext4 -o "${options:-defaults}" /dev/vda /data || echo "trouble no disk"

hub=/data/hub
port=9200
echo "hub starts"
khien hub --data $hub --rules /rules.yml --no-listen --no-journal --http 127.0.0.1:$port --lang en >/dev/null 2>/tmp/said &
until grep -q event=ready /tmp/said; do
	kill -0 $! || break
	sleep 0.02
done
echo "hub ready"
tail -n +1 -f /tmp/said | while read -r line; do
	case $line in
	*level=info*) ;;
	*) echo "$line" ;;
	esac
done &

if [ -s /data/token ]; then
	(
		khien hub export --plain --quiet --data $hub >/tmp/events || echo "trouble export"
	)
	sender check </tmp/events
	rm /tmp/events
else
	khien hub token add power --scope ingest --data $hub >/tmp/token
	mv /tmp/token /data/token
	sync
fi
echo "checked"
# shellcheck disable=SC2046,SC2154
sender post $port "$(cut -d ' ' -f 1 /data/token)" $(echo "$from" | tr , ' ')
echo "trouble the sender ended"
sleep 1000
