#!/bin/sh
# Make of the root one that boots by itself. GRUB is outside of it, on the disk, and reads /boot/grub/grub.cfg here.
set -eu
export SOURCE_DATE_EPOCH=1583020800 LC_ALL=C.UTF-8 LANG=C.UTF-8
# rpm and yum close every descriptor that the limit allows, one by one: with the limit of some engines, for hours
ulimit -n 1024
# rpm writes down when a package was installed, and before 4.18 it asks the clock for it: let that stand still
clock=
case $(rpm --version) in
    *" 4."[0-9].* | *" 4.1"[0-7].*)
        clock=/.boss-builder/clock.so
        # a shared object with one function, `time`; it is described in builder/inside/clock.py
        printf '\177\105\114\106\2\1\1\0\0\0\0\0\0\0\0\0\3\0\76\0\1\0\0\0\0\0\0\0\0\0\0\0\100\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\100\0\70\0\3\0\0\0\0\0\0\0\1\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\263\1\0\0\0\0\0\0\263\1\0\0\0\0\0\0\0\20\0\0\0\0\0\0\2\0\0\0\6\0\0\0\60\1\0\0\0\0\0\0\60\1\0\0\0\0\0\0\60\1\0\0\0\0\0\0\140\0\0\0\0\0\0\0\140\0\0\0\0\0\0\0\10\0\0\0\0\0\0\0\121\345\164\144\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\22\0\1\0\240\1\0\0\0\0\0\0\23\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\30\1\0\0\0\0\0\0\5\0\0\0\0\0\0\0\220\1\0\0\0\0\0\0\6\0\0\0\0\0\0\0\350\0\0\0\0\0\0\0\12\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0\13\0\0\0\0\0\0\0\30\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\164\151\155\145\0\0\0\0\0\0\0\0\0\0\0\110\270\0\373\132\136\0\0\0\0\110\205\377\164\3\110\211\7\303' > $clock
        ;;
esac
# on a file system of layers, a Berkeley DB that is opened to read, and then to write, is two files: have one
[ ! -e /var/lib/rpm/Packages ] || touch /var/lib/rpm/*
# their signatures were checked when they were frozen, and the lock pins their bytes: an old rpm need not know the keys
# or the algorithms. rpm lets a scriptlet fail and ends with 0 all the same; a root without its work is not the root
# that was asked for
if ! said=$(LD_PRELOAD=$clock rpm --install --verbose --nosignature /.boss-builder/packages/*.rpm 2>&1); then
    printf '%s\n' "$said" >&2
    exit 1
fi
printf '%s\n' "$said"
case $said in
    *"scriptlet failed"*)
        echo "a scriptlet failed" >&2
        exit 1
        ;;
esac

kernel=$(ls /boot/vmlinuz-* 2> /dev/null | sort | tail -n 1)
if [ -z "$kernel" ]; then
    echo "the root has no kernel (/boot/vmlinuz-*); name its package: image \"vm\" { packages = [\"...\"] }" >&2
    exit 1
fi
version=${kernel#/boot/vmlinuz-}
if [ ! -d "/lib/modules/$version" ]; then
    echo "the kernel $version has no modules (/lib/modules/$version)" >&2
    exit 1
fi
initrd=
for name in initramfs-$version.img initrd-$version.img initrd.img-$version; do
    [ ! -e "/boot/$name" ] || initrd=/boot/$name
done

# without an initial RAM disk the kernel itself finds the root, and it knows partitions, not file systems, by name
if [ -n "$initrd" ]; then
    root=UUID=6f01fcec-1892-5882-8cd9-a7413b19efaf initrd="initrd\$mode $initrd"
else
    root=PARTUUID=6588b6a2-f9f4-57f3-84c5-137c42c00247
fi
mkdir -p /boot/grub
cat > /boot/grub/grub.cfg << END
# Tiny-1.0: read by the GRUB of the disk
serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=0
# GRUB for the BIOS starts a kernel by its 16-bit entry, as the boot loaders of its day did: by the other, it moves 50 MB
# byte by byte first, which an emulated processor needs seconds for
if [ "\$grub_platform" = pc ]; then set mode=16; fi
menuentry "Tiny-1.0" {
    linux\$mode $kernel root=$root rw console=tty0 console=ttyS0,115200 quiet vsyscall=emulate
    $initrd
}
END

cat > /etc/fstab << END
UUID=6f01fcec-1892-5882-8cd9-a7413b19efaf / ext4 defaults 0 0
END

# what Docker and Apptainer give every program, a login shell gives here
cat > /etc/profile.d/boss-builder.sh << 'END'
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export TABLE=/opt/table
export BES_RELEASE='a "quoted" $value'
END

# ttyS0: messages and a login; ttyS1: root's shell, for whoever owns the machine
if [ -d /usr/lib/systemd/system ]; then
    mkdir -p /etc/systemd/system/multi-user.target.wants
    cat > /etc/systemd/system/boss-builder-shell.service << END
[Unit]
Description=Root shell on ttyS1
# as soon as the file systems are there and /tmp is cleaned
DefaultDependencies=no
After=local-fs.target systemd-tmpfiles-setup.service
Conflicts=shutdown.target
Before=shutdown.target
StartLimitIntervalSec=0

[Service]
Type=simple
Environment=HOME=/root
WorkingDirectory=/root
ExecStart=-/bin/sh
StandardInput=tty
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
TTYReset=yes
TTYVHangup=yes
KillMode=process
IgnoreSIGPIPE=no
SendSIGHUP=yes
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
END
    ln -s ../boss-builder-shell.service /etc/systemd/system/multi-user.target.wants/boss-builder-shell.service
elif [ -d /etc/init ]; then
    cat > /etc/init/boss-builder-shell.conf << END
description "Root shell on ttyS1"
start on stopped rc RUNLEVEL=[2345]
stop on runlevel [!2345]
respawn
exec /bin/sh < /dev/ttyS1 > /dev/ttyS1 2>&1
END
elif [ -f /etc/inittab ]; then
    cat >> /etc/inittab << END
co:2345:respawn:/sbin/agetty ttyS0 115200 vt100
bb:2345:respawn:/bin/sh < /dev/ttyS1 > /dev/ttyS1 2>&1
END
else
    echo "the root has no init that is known here: systemd, upstart or sysvinit" >&2
    exit 1
fi

# what says when or how this was done, and that nothing needs
rm -rf /.boss-builder /var/cache/ldconfig/aux-cache /var/cache/dnf /var/lib/dnf /var/log/dnf* /var/log/hawkey.log
rm -f /var/lib/rpm/rpmdb.sqlite-shm /var/lib/rpm/rpmdb.sqlite-wal /var/lib/rpm/.rpm.lock /etc/.pwd.lock
rm -f /var/lib/rpm/__db.* /var/lib/rpm/.dbenv.lock
