"""The two packages that Debian does not bring: `filesystem` and `setup`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from example.upstream.convert import rpmbuild
from example.upstream.packages import DIRECTORIES, LINKS
from example.upstream.spec import Entry, Kind, files_line

SOURCES = Path(__file__).parent / "native"
UNITS = "/lib/systemd/system"
SETUP_LINKS = {
    "etc/os-release": "../usr/lib/os-release",
    "etc/systemd/system/dbus-org.freedesktop.timesync1.service": f"{UNITS}/systemd-timesyncd.service",
    "etc/systemd/system/default.target": f"{UNITS}/multi-user.target",
    "etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service": f"{UNITS}/serial-getty@.service",
    "etc/systemd/system/multi-user.target.wants/systemd-networkd.service": f"{UNITS}/systemd-networkd.service",
    "etc/systemd/system/multi-user.target.wants/tinyel-host-keys.service": f"{UNITS}/tinyel-host-keys.service",
    "etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service": f"{UNITS}/systemd-timesyncd.service",
}
"""What `systemctl enable` would have made. The SSH server is not among it: enabling it is a site's decision."""
EMPTY_LOGS = ("var/log/btmp", "var/log/lastlog", "var/log/wtmp")


def filesystem_spec() -> str:
    """Give the spec of `filesystem` from the tables of directories and links."""
    entries = [Entry(path, Kind.DIRECTORY, mode) for path, mode in DIRECTORIES.items()]
    entries += [Entry(path, Kind.LINK) for path in LINKS]
    files = [files_line(entry) for entry in sorted(entries, key=lambda entry: entry.path)]
    head = """\
Name: filesystem
Version: 1
Release: 1
Summary: Directories of Tiny Enterprise Linux and the links of the merged /usr
License: MIT
BuildArch: x86_64
AutoReqProv: no
%description
The directories that everything else lies in.
%files
"""
    return head + "\n".join(files) + "\n"


def build_filesystem(output: Path, scratch: Path) -> Path:
    """Build `filesystem`; give the RPM, unsigned, in `output`."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        home = Path(folder)
        buildroot = home / "root"
        for path in DIRECTORIES:
            (buildroot / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for path, target in LINKS.items():
            (buildroot / path.lstrip("/")).symlink_to(target)
        spec = home / "package.spec"
        spec.write_text(filesystem_spec())
        return rpmbuild(spec, buildroot, "x86_64", home, output)


def build_setup(output: Path, scratch: Path) -> Path:
    """Build `setup` from the files beside this module; give the RPM, unsigned, in `output`."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        home = Path(folder)
        buildroot = home / "root"
        shutil.copytree(SOURCES / "setup", buildroot)
        for path, target in SETUP_LINKS.items():
            link = buildroot / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        for path in EMPTY_LOGS:
            log = buildroot / path
            log.parent.mkdir(parents=True, exist_ok=True)
            log.touch()
        return rpmbuild(SOURCES / "setup.spec", buildroot, "noarch", home, output)
