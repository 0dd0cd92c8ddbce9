# Builds the guest's disk and its initial memory disk in the current folder, as root.
# $1: Debian's mirror, $2: its release. Leaves: debian.ext4 vmlinuz initrd
set -eu
rm -rf root initrd.d kernel
mkdir root initrd.d kernel
packages=systemd-sysv,dbus,kmod,apparmor,busybox-static,iproute2,procps
debootstrap --variant=minbase --include="$packages" "$2" root "$1" > debootstrap.log

# Only the kernel of the package: its scripts would make another memory disk.
package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -n 1)
(cd kernel && apt-get download -q "$package" && dpkg -x ./*.deb .)
cp kernel/boot/vmlinuz-* vmlinuz
cp -r kernel/lib/modules root/usr/lib/
version=$(ls kernel/lib/modules)
chroot root depmod "$version"

# Under systemd the same script runs as a service; nothing else has to start.
cat > root/etc/systemd/system/guest.service <<'UNIT'
[Unit]
After=dbus.service multi-user.target
[Service]
Type=exec
ExecStart=/bin/sh /mnt/guest.sh systemd
[Install]
WantedBy=multi-user.target
UNIT
chroot root systemctl enable --quiet guest.service
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer serial-getty@ttyS0.service; do
    ln -sf /dev/null "root/etc/systemd/system/$unit"
done

# What it takes to find the disk: busybox, and the modules in the order that they need each other.
mkdir initrd.d/bin initrd.d/root
cp /bin/busybox initrd.d/bin/
cp init.sh initrd.d/init
chmod 755 initrd.d/init
number=10
chroot root modprobe -S "$version" --show-depends -a virtio_pci virtio_blk ext4 | grep ^insmod | while read -r _ module; do
    cp "root$module" "initrd.d/$number.ko"
    number=$((number + 1))
done
(cd initrd.d && find . | busybox cpio -o -H newc 2> /dev/null) > initrd

rm -rf root/var/cache/apt/archives/*.deb root/var/lib/apt/lists/*
mkfs.ext4 -q -F -O ^has_journal -d root debian.ext4 1G
rm -rf root initrd.d kernel
