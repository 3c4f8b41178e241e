"""From a .deb to an .rpm: lay the files out in a build root, write a spec, call rpmbuild."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import tarfile
import tempfile
from pathlib import Path

from example.upstream import packages
from example.upstream.deb import Control, open_files, read_control
from example.upstream.packages import Repair
from example.upstream.programs import UpstreamError, run
from example.upstream.spec import Entry, Kind, Listing, merged_path, spec_text

BUILD_LIMIT = 600.0
MACROS = r"""
%_topdir %{getenv:HOME}/rpmbuild
%_dbpath %{getenv:HOME}/rpmdb
%_tmppath %{getenv:HOME}
%_buildhost reproducible.invalid
%vendor Tiny Enterprise Linux (example)
%use_source_date_epoch_as_buildtime 1
%clamp_mtime_to_source_date_epoch 1
%source_date_epoch_from_changelog 0
%_binary_payload w3.zstdio
%_build_id_links none
%_unpackaged_files_terminate_build 0
%debug_package %{nil}
%__os_install_post %{nil}
%__check_files %{nil}
%__requires_exclude ^(/usr/bin/perl|perl\\(.*|/usr/bin/pkg-config|/usr/local/bin/.*|libatm\\..*|/lib/runit/.*)$
"""
"""rpmbuild without the steps that strip, compress or look for debug symbols: the files are ready-made."""


def rpmbuild(spec: Path, buildroot: Path, architecture: str, home: Path, output: Path) -> Path:
    """Pack `buildroot` as `spec` says; give the one RPM that came out, in `output`.

    `home` is a scratch folder of this call alone. The bytes depend on the files, the spec and rpmbuild's version.
    Raises UpstreamError where rpmbuild refuses.
    """
    (home / ".rpmmacros").write_text(MACROS)
    made = home / "made"
    words: list[str | Path] = [
        "rpmbuild",
        "-bb",
        "--quiet",
        "--noclean",
        "--buildroot",
        buildroot,
        "--target",
        architecture,
    ]
    words += [
        "--define",
        f"_rpmdir {made}",
        "--define",
        "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
    ]
    environment = {"HOME": str(home), "SOURCE_DATE_EPOCH": str(packages.DATE), "TZ": "UTC"}
    run([*words, spec], time_limit=BUILD_LIMIT, environment=environment)
    (rpm,) = made.iterdir()
    os.utime(rpm, (packages.DATE, packages.DATE))
    output.mkdir(parents=True, exist_ok=True)
    return rpm.rename(output / rpm.name)


def convert(deb: Path, output: Path, scratch: Path) -> Path:
    """Convert one package; give the RPM, unsigned, in `output`. `scratch` is on the same file system.

    Raises UpstreamError where the package cannot be read or packed.
    """
    control = read_control(deb)
    repair = repair_of(control.name)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        home = Path(folder)
        buildroot = home / "root"
        buildroot.mkdir()
        listing = lay_out(deb, control, repair, buildroot)
        spec = home / "package.spec"
        spec.write_text(spec_text(control, listing, repair, packages.ASSUMED))
        architecture = "noarch" if control.architecture == "all" else "x86_64"
        return rpmbuild(spec, buildroot, architecture, home, output)


def repair_of(name: str) -> Repair:
    """Give what the package needs beyond its files: a table, and one rule for kernels."""
    kernel = re.fullmatch(r"linux-image-(\d.*)", name)
    if kernel:
        return Repair(tags=("Requires(post): kmod",), scripts=f"%post\n/sbin/depmod {kernel[1]}")
    return packages.REPAIRS.get(name, Repair())


def lay_out(deb: Path, control: Control, repair: Repair, buildroot: Path) -> Listing:
    """Unpack what is kept of `deb` below `buildroot`, with /usr merged; say what lies there."""
    entries: dict[str, Entry] = {}
    provides = []
    with open_files(deb) as archive:
        for member in archive:
            name = absolute(member.name)
            if name == "/" or packages.DROPPED_PATH.search(name):
                continue
            path = merged_path(name)
            if member.issym() and path in entries:
                continue  # a link from the old place to the new one, which are the same place here
            entry = _entry(member, path, is_config=name in control.conffiles)
            _place(archive, member, buildroot, path)
            if path not in packages.DIRECTORIES and path not in packages.LINKS:
                entries[path] = entry
            if name.startswith(("/bin/", "/sbin/")):
                provides.append(name)
    for link, target in repair.links:
        place = buildroot / link.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
        entries[link] = Entry(link, Kind.LINK)
    return Listing(tuple(entries.values()), tuple(sorted(provides)))


def absolute(name: str) -> str:
    """Give the path that a member's name (`./usr/bin/`) stands for."""
    return posixpath.normpath(f"/{name}")


def _entry(member: tarfile.TarInfo, path: str, *, is_config: bool) -> Entry:
    kind = Kind.DIRECTORY if member.isdir() else Kind.LINK if member.issym() else Kind.FILE
    return Entry(
        path=path,
        kind=kind,
        mode=member.mode & 0o7777,
        user=member.uname or "root",
        group=member.gname or "root",
        is_config=is_config,
    )


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, buildroot: Path, path: str) -> None:
    """Write one member below `buildroot`."""
    place = buildroot / path.lstrip("/")
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink():
        place.unlink()  # a link from the new place to the old one: the file itself takes its place
    if member.issym():
        place.symlink_to(member.linkname)
    elif member.islnk():
        target = merged_path(absolute(member.linkname))
        place.hardlink_to(buildroot / target.lstrip("/"))
    elif member.isreg():
        stream = archive.extractfile(member)
        if stream is None:
            raise UpstreamError(f"{member.name} has no content")
        with place.open("xb") as sink:
            shutil.copyfileobj(stream, sink, 1 << 20)
        place.chmod(member.mode & 0o777 | 0o200)
        os.utime(place, (member.mtime, member.mtime))
    else:
        raise UpstreamError(f"{member.name} is neither file, link nor directory")
