#!/bin/busybox sh
# The guest's first program: finds both disks and hands over to what the kernel's command line names.
/bin/busybox --install -s /bin
mkdir -p /proc /dev
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in /*.ko; do
    # Given twice when two need it.
    insmod "$module" 2> /dev/null
done
until [ -b /dev/vdb ]; do usleep 10000; done
mount -t ext4 /dev/vda /root
mount -t ext4 /dev/vdb /root/mnt
guest=$(sed -n 's/.*guest=\([a-z]*\).*/\1/p' /proc/cmdline)
umount /proc
mount --move /dev /root/dev
case $guest in
systemd) exec switch_root /root /sbin/init ;;
*) exec switch_root /root /bin/sh /mnt/guest.sh plain ;;
esac
