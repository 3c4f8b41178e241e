"""A kickstart file: the installer of an Enterprise Linux makes of bare iron what the virtual machine of a release is.

It installs the packages of the lock from an exported repository and applies the puppet template, which it carries, with
the script of the stage `site`. Commands and options are those of the installer's own version, as pykickstart knows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from builder.core.errors import InputFailure
from builder.lock.model import Lock, RpmPackage
from builder.recipe.generation import generation
from builder.render.context import write_inputs
from builder.render.plan import SCRATCH, Plan
from builder.render.templates import octal, render
from builder.render.vm import file_system
from builder.store.store import Store

KNOWN = (5, 6, 7, 8, 9)
"""Generations of Enterprise Linux whose installers are known here."""
NO_GROUPS = {5: "", 6: " --nobase"}
"""By generation, how the installer is kept from groups that nobody named. That of EL5 can not be, but finds none."""
NO_CORE = " --nocore"
"""The same from EL7 on."""
BOOT_LOADER, LAST_OF_THE_FIRST_GRUB = "grub", 6
END = "END_OF_A_FILE_OF_BOSS_BUILDER"
SITE = "site"
PIECE = 32
"""Bytes of a binary file that one line gives."""


@dataclass(frozen=True)
class _File:
    """A file that the kickstart file carries: its text, or lines that `printf` makes its bytes of."""

    path: str
    text: str = ""
    pieces: tuple[str, ...] = ()


def kickstart(lock: Lock, files: Mapping[str, bytes], url: str, lock_digest: str) -> str:
    """Give the kickstart file of a release.

    `files` is what the stage `site` needs, by path below its scratch folder (see `site_files`); `url` the address of
    the folder `inputs` of an export. Raises InputFailure where no installer is known for the operating system, or the
    recipe asks for no virtual machine, which says what a machine needs.
    """
    recipe = lock.recipe
    number = generation(recipe.os)
    if number not in KNOWN:
        known = ", ".join(str(one) for one in KNOWN)
        raise InputFailure(
            f"no installer is known for the operating system {recipe.os.family} {recipe.os.version}",
            hint=f'kickstart files are made for Enterprise Linux {known}: os {{ family = "el", version = "7.9" }}',
        )
    image = recipe.image_of("vm")
    if image is None:
        raise InputFailure(
            f"{recipe.full_name} asks for no virtual machine, and so says neither kernel nor size of the disk",
            hint='add image "vm" { disk = "..." packages = ["kernel"] } to the recipe, and freeze it again',
        )
    packages = [lock.package(nevra) for nevra in (*lock.os_packages, *lock.vm_packages, *lock.boss_packages)]
    if not any(package.name.startswith(BOOT_LOADER) for package in packages):
        loader = BOOT_LOADER if number <= LAST_OF_THE_FIRST_GRUB else f"{BOOT_LOADER}2-pc"
        raise InputFailure(
            f"the lock of {recipe.full_name} holds no boot loader; that of a virtual machine lies outside of its root",
            hint=f'add the package {loader} to image "vm" {{ packages = [...] }}, and freeze it again',
        )
    # the repository holds one version of each, and the installer of EL5 knows a package by no more than this
    short = number == KNOWN[0]
    listed = [f"{p.name}.{p.architecture}" if short else _nvra(p) for p in packages]
    return render(
        "kickstart/ks.cfg.j2",
        release=recipe.full_name,
        title=recipe.release.title,
        lock=lock_digest,
        generation=number,
        url=f"{url.rstrip('/')}/repository",
        file_system=file_system(recipe).kind,
        size=image.disk_bytes >> 20,
        uefi=image.uefi,
        arguments=image.kernel_arguments,
        no_groups=NO_GROUPS.get(number, NO_CORE),
        packages=sorted(listed),
        installed=sorted(_nvra(p) for p in packages),
        files=[_carried(path, files[path]) for path in sorted(files)],
        folders=sorted({str(PurePosixPath(SCRATCH, path).parent) for path in files}),
        scratch=SCRATCH,
        end=END,
    )


def site_files(planned: Plan, store: Store) -> dict[str, bytes]:
    """Give the files that the stage `site` of a release needs, by path; nothing where it has no such stage.

    Raises WorkFailure where an input is missing or damaged.
    """
    stage = next((stage for stage in planned.stages if stage.name == SITE), None)
    if stage is None:
        return {}
    with store.workspace("kickstart") as folder:
        write_inputs(stage, store, folder)
        top = folder / SITE
        return {path.relative_to(top).as_posix(): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def _nvra(package: RpmPackage) -> str:
    return f"{package.name}-{package.version}-{package.release}.{package.architecture}"


def _carried(path: str, data: bytes) -> _File:
    """Carry a file as text where a kickstart file can: the installer reads lines that begin with % for itself."""
    place = str(PurePosixPath(SCRATCH, path))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    plain = text.endswith("\n") and not set(text) & {"\0", "\r"}
    if plain and not any(line.startswith("%") or line == END for line in text.splitlines()):
        return _File(place, text)
    return _File(place, pieces=tuple(octal(data[at : at + PIECE]) for at in range(0, len(data), PIECE)))
