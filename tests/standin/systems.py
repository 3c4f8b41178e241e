"""RPM repositories as those of Scientific Linux 5 and 6 and of CentOS 7, made of the small system's packages.

What a recipe asks for by a name that the small system does not have is a tiny package of that name. The kernel's
package brings an initial RAM disk, as theirs do; the metadata of Enterprise Linux 5 has SHA-1 digests.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from example.upstream.convert import rpmbuild
from example.upstream.repository import write_metadata
from example.upstream.signing import SigningKey
from tests.standin.initramfs import initramfs
from tests.tinyrpm import DATE, TinyRpm, build_rpm

STAND_IN = "stand-in upstream"
CORE = (
    "bash",
    "bsdutils",
    "coreutils",
    "dash",
    "dbus",
    "diffutils",
    "filesystem",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "kmod",
    "libc-bin",
    "libpam-modules",
    "libpam-systemd",
    "login",
    "mawk",
    "mount",
    "ncurses-base",
    "passwd",
    "procps",
    "python3",
    "rpm",
    "sed",
    "setup",
    "systemd",
    "systemd-sysv",
    "tar",
    "tzdata",
    "udev",
    "util-linux",
)
"""What the group `core` has of the small system."""
AGENT = "puppet-agent"
KERNEL = "linux-image-cloud-amd64"


@dataclass(frozen=True)
class System:
    """A system of a base recipe: its release package, its kernel's version, and the names that recipes ask for."""

    name: str
    release: TinyRpm
    kernel: tuple[str, str]
    key: str
    libraries: str = ""
    packages: Sequence[str] = ()
    checksum: str = "sha256"


SYSTEMS = {
    "el5": System(
        "el5",
        TinyRpm("sl-release", "5.11", "1"),
        ("2.6.18", "419.el5"),
        "RPM-GPG-KEY-sl",
        libraries="HEP_OSlibs_SL5",
        checksum="sha1",
    ),
    "el6": System(
        "el6", TinyRpm("sl-release", "6.10", "1"), ("2.6.32", "754.el6"), "RPM-GPG-KEY-sl", libraries="HEP_OSlibs_SL6"
    ),
    "el7": System(
        "el7",
        TinyRpm("centos-release", "7", "9.2009.0.el7.centos"),
        ("3.10.0", "1160.el7"),
        "RPM-GPG-KEY-CentOS-7",
        packages=[
            "compat-libf2c-34",
            "glibc-devel",
            "libXi",
            "libXi-devel",
            "libXpm",
            "libXpm-devel",
            "make",
            "mesa-libGLU",
            "openmotif",
            "openmotif-devel",
            "openssl098e",
            "procmail",
            "wget",
        ],
    ),
}


@dataclass(frozen=True)
class Parts:
    """What systems are made of: the small system's signed RPMs, its key, modules of its kernel, a static busybox."""

    rpms: Path
    key: SigningKey
    kernel: Path
    busybox: bytes


def write_system(system: System, parts: Parts, places: Mapping[str, Path]) -> None:
    """Write the repositories of a system at their places: `os`, `puppet`, and `wlcg` where it has libraries there."""
    with tempfile.TemporaryDirectory(prefix="system-") as scratch:
        own = [system.release, *(TinyRpm(name) for name in system.packages)]
        made = [build_rpm(Path(scratch) / "os", rpm) for rpm in own]
        made.append(_kernel(system, parts, Path(scratch) / "os"))
        libraries = [build_rpm(Path(scratch) / "wlcg", TinyRpm(system.libraries))] if system.libraries else []
        parts.key.sign_packages([*made, *libraries])
        small = sorted(parts.rpms.glob("*.rpm"))
        agent = [rpm for rpm in small if rpm.name.startswith(f"{AGENT}-")]
        _repository(places["os"], [*(rpm for rpm in small if rpm not in agent), *made], system, parts.key, CORE)
        _repository(places["puppet"], agent, system, parts.key)
        if libraries:
            _repository(places["wlcg"], libraries, system, parts.key)


def _repository(folder: Path, rpms: Iterable[Path], system: System, key: SigningKey, core: Sequence[str] = ()) -> None:
    packages = folder / "Packages"
    packages.mkdir(parents=True)
    for rpm in rpms:
        shutil.copy2(rpm, packages / rpm.name)
    groups = None
    if core:
        groups = folder / "comps.xml"
        groups.write_text(_groups([*core, system.release.name]))
    write_metadata(folder, DATE, key, system.key, groups=groups, checksum=system.checksum, content=STAND_IN)


def _groups(core: Sequence[str]) -> str:
    listed = "".join(f'<packagereq type="mandatory">{escape(name)}</packagereq>' for name in core)
    named = "<id>core</id><name>Core</name><default>true</default><uservisible>false</uservisible>"
    group = f"<group>{named}<packagelist>{listed}</packagelist></group>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<comps>{group}</comps>\n'


def _kernel(system: System, parts: Parts, folder: Path) -> Path:
    """Build the package `kernel`: it needs the small system's kernel, and brings what finds the root disk."""
    (modules,) = (parts.kernel / "lib" / "modules").iterdir()
    version, release = system.kernel
    image = f"/boot/initramfs-{modules.name}.img"
    lines = ["Name: kernel", f"Version: {version}", f"Release: {release}", "Summary: the kernel of the stand-in"]
    lines += ["License: GPLv2", "BuildArch: x86_64", "AutoReqProv: no", f"Requires: {KERNEL}", "%description"]
    lines += ["An initial RAM disk for the kernel of the small system.", "%files", f"%attr(600,root,root) {image}"]
    with tempfile.TemporaryDirectory(prefix="kernel-") as scratch:
        root = Path(scratch) / "root"
        place = root / image.lstrip("/")
        place.parent.mkdir(parents=True)
        place.write_bytes(initramfs(modules, parts.busybox))
        spec = Path(scratch) / "kernel.spec"
        spec.write_text("\n".join(lines) + "\n")
        made = rpmbuild(spec, root, "x86_64", Path(scratch), Path(scratch) / "out")
        return Path(shutil.move(made, folder / made.name))
