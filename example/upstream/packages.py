"""What Tiny Enterprise Linux is made of: Debian packages wanted, packages left out, paths left out, repairs.

Only data stands here. It was found by trying: a root made from the repository must pass `rpm -Va`, and puppet and
numpy must run in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DATE = 1577836800
"""SOURCE_DATE_EPOCH of every package: 2020-01-01, the date of the made-up release."""

BOOT = (
    "bash",
    "bsdutils",
    "coreutils",
    "dash",
    "dbus",
    "diffutils",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "iproute2",
    "kmod",
    "libc-bin",
    "libpam-modules",
    "libpam-systemd",
    "login",
    "mawk",
    "mount",
    "ncurses-base",
    "openssh-server",
    "passwd",
    "procps",
    "qemu-guest-agent",
    "sed",
    "systemd",
    "systemd-sysv",
    "systemd-timesyncd",
    "tar",
    "tzdata",
    "udev",
    "util-linux",
)
KERNEL = ("linux-image-cloud-amd64",)
TOOLS = ("puppet-agent", "python3", "python3-numpy", "rpm")
WANTED = (*BOOT, *KERNEL, *TOOLS)

ASSUMED = frozenset(
    (
        # Debian's own machinery: the native packages, or rpm, do its work
        "adduser", "base-files", "base-passwd", "debconf", "debconf-2.0", "default-mta", "dpkg",
        "init-system-helpers", "install-info", "libdebconfclient0", "libpam-runtime", "lsb-base", "lsb-release",
        "perl", "perl-base", "runit-helper", "sensible-utils", "sysv-rc", "sysvinit-utils", "ucf", "usr-is-merged",
        "usrmerge",
        # an initramfs is not needed: the cloud kernel has the drivers of its root disk built in
        "initramfs-tools", "linux-initramfs-tool", "linux-base", "klibc-utils", "busybox",
        # needed only to build packages, or to run tools that are left out
        "debugedit", "gnupg", "rpm2cpio", "python3-distutils", "python3-lib2to3", "libjs-jquery",
    )
)  # fmt: skip
"""Packages that apt is told are installed, so that it neither downloads them nor what they need."""

DROPPED_PATH = re.compile(
    r"""
      ^/usr/share/(applications|bash-completion|bug|debianutils|doc-base|gcc|gdb|info|initramfs-tools|lintian|locale
                  |man|menu|perl5|pixmaps|pkgconfig|polkit-1|zsh)(/|$)
    | ^/usr/share/doc/[^/]+/(?!copyright$)
    | ^/usr/share/doc/[^/]+/copyright/
    | ^/etc/(cron\.[a-z]+|default/grub\.d|dpkg|init|init\.d|initramfs-tools|kernel|perl|runit|sv|ufw
            |update-motd\.d)(/|$)
    | ^/usr/lib/python3[^/]*/.*/__pycache__(/|$)
    """,
    re.VERBOSE,
)
"""What a small image does without. Copyright files stay: they are the licences of what is distributed."""


@dataclass(frozen=True)
class Repair:
    """What a package needs beyond its files, because its maintainer scripts do not run here.

    `links` are what update-alternatives would have made (path, target); `tags` are more lines of the preamble;
    `scripts` are sections of the spec that run on the target.
    """

    links: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    scripts: str = ""


_LIB = "/usr/lib/x86_64-linux-gnu"
REPAIRS: dict[str, Repair] = {
    # Debian's dpkg trigger, as RPM's: once for a whole transaction, when everything is in place
    "libc-bin": Repair(scripts=f"%transfiletriggerin -- {_LIB}\n/sbin/ldconfig"),
    "libblas3": Repair(links=((f"{_LIB}/libblas.so.3", "blas/libblas.so.3"),)),
    "libc6": Repair(tags=("Provides: rtld(GNU_HASH)",)),
    "liblapack3": Repair(links=((f"{_LIB}/liblapack.so.3", "lapack/liblapack.so.3"),)),
    "debianutils": Repair(links=(("/usr/bin/which", "which.debianutils"),)),
    "mawk": Repair(links=(("/usr/bin/awk", "mawk"),)),
}
_ORDINARY = """
    /boot /dev /etc /home /media /mnt /opt /run /srv /usr /var
    /etc/default /etc/modprobe.d /etc/modules-load.d /etc/opt /etc/pam.d /etc/profile.d /etc/security /etc/skel
    /etc/ssh /etc/ssl /etc/sysctl.d /etc/systemd /etc/systemd/system
    /usr/bin /usr/games /usr/include /usr/lib /usr/lib64 /usr/libexec /usr/local /usr/local/bin /usr/local/etc
    /usr/local/lib /usr/local/sbin /usr/local/share /usr/sbin /usr/share /usr/src
    /usr/lib/modprobe.d /usr/lib/modules /usr/lib/modules-load.d /usr/lib/python3 /usr/lib/python3/dist-packages
    /usr/lib/sysctl.d /usr/lib/systemd /usr/lib/systemd/system /usr/lib/sysusers.d /usr/lib/tmpfiles.d
    /usr/lib/udev /usr/lib/udev/rules.d /usr/lib/x86_64-linux-gnu
    /usr/share/doc /usr/share/misc /usr/share/pam-configs
    /var/cache /var/lib /var/lib/dbus /var/lib/misc /var/lib/rpm /var/lib/systemd /var/local /var/log /var/mail
    /var/opt /var/spool
"""
DIRECTORIES: dict[str, int] = dict.fromkeys(_ORDINARY.split(), 0o755) | {
    "/proc": 0o555,
    "/root": 0o700,
    "/run/lock": 0o1777,
    "/sys": 0o555,
    "/tmp": 0o1777,  # noqa: S108 - the directory of the image, not of this host
    "/var/tmp": 0o1777,  # noqa: S108 - as above
}
"""Directories of the package `filesystem`, with their modes; no other package lists them."""

LINKS: dict[str, str] = {
    "/bin": "usr/bin",
    "/lib": "usr/lib",
    "/lib64": "usr/lib64",
    "/sbin": "usr/sbin",
    "/var/lock": "/run/lock",
    "/var/run": "/run",
    "/var/spool/mail": "../mail",
}
"""Links of the package `filesystem`: the merged /usr, and old names under /var."""
