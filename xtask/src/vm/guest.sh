#!/bin/sh
# Runs the tests inside the guest, as its first program (plain) or as a service of systemd; reports to the second port.
exec < /dev/null > /dev/ttyS1 2>&1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root RUST_BACKTRACE=0 GANTRY_BINARY=/mnt/gantry
if [ "$1" = plain ]; then
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t securityfs securityfs /sys/kernel/security
    mount -t tmpfs tmpfs /run
    mkdir -p /dev/pts /dev/shm /dev/mqueue
    mount -t devpts devpts /dev/pts
    mount -t tmpfs tmpfs /dev/shm
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    echo "+cpuset +cpu +io +memory +pids +hugetlb" > /sys/fs/cgroup/cgroup.subtree_control
    ip link set lo up
fi
for module in overlay veth bridge nf_tables nft_masq nft_nat nft_fib_inet br_netfilter tun loop; do
    modprobe -q "$module" || echo "guest: no module $module"
done
echo "guest: $(uname -r), $(stat -f -c %T /sys/fs/cgroup), AppArmor $(cat /sys/module/apparmor/parameters/enabled), pid 1 $(cat /proc/1/comm)"
failed=0
cd /mnt/"$1" || failed=1
for test in ./*; do
    echo "guest: $1 ${test#./}"
    "$test" --color never --test-threads 1 --show-output "$(cat "/mnt/$1.filter")" || failed=1
done
echo "guest: ended with $failed"
sync
if [ "$1" = plain ]; then
    exec busybox poweroff -f
fi
systemctl poweroff --force --force
