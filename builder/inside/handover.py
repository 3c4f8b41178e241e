"""Hand the RPM database of a root over to the root's own rpm, where that can not read what the builder image's wrote.

A new rpm writes sqlite; the rpm of Enterprise Linux 5 to 7 reads Berkeley DB alone, and could not convert the one into
the other, as it would have to read it first. So the database is taken away, and the root's own rpm makes it anew: it
is given the same RPM files to enter (`--justdb`), and nothing else of their installation is done again. The way of
cvmfs (ci/docker/rhel_common/build.sh) and of Azure Linux (toolkit/tools/pkggen/worker/create_worker_chroot.sh).

The clock of that rpm stands still meanwhile, so that it enters the same time of installation each time.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from builder.inside.berkeley import FOLDERS
from builder.inside.clock import still_clock
from builder.inside.program import call

WRITTEN = "var/lib/rpm"
"""Where the builder image's rpm keeps the database of a root."""
WRITTEN_BACKEND = "sqlite"
FILES = {"sqlite": "rpmdb.sqlite", "ndb": "Packages.db", "bdb": "Packages"}
"""By backend, the file that only a database of that kind has."""
PASSING = ("rpmdb.sqlite-shm", "rpmdb.sqlite-wal", "__db.*", ".dbenv.lock", ".rpm.lock")
"""What a database leaves behind that holds nothing: locks, journals, memory of a Berkeley DB environment."""
FIRST_TO_NAME_ITS_BACKEND = (4, 16)
SCRATCH = ".boss-builder/handover"
ENTER = (
    "--install", "--justdb", "--nodeps", "--noorder", "--force", "--noscripts", "--notriggers", "--nosignature",
    "--nodigest", "--ignoresize",
)  # fmt: skip
"""rpm 4.4 of Enterprise Linux 5 knows all of them."""
NAMES = "%{name}-%{epoch}:%{version}-%{release}.%{arch}\n"
KEYS = "gpg-pubkey"
ARMOURED = re.compile(r"-----BEGIN PGP PUBLIC KEY BLOCK-----.*?-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL)
CRASHED = -11


def hand_over(root: Path, repository: Path, files: Sequence[str], epoch: int, asked: str) -> str:
    """Let the root's own rpm make its database of the named files of a repository, if it needs another one.

    `asked` is the kind of database that the recipe names, or "" for what the root's rpm says of itself. Gives the kind
    that the root has now. Ends the program where the root's rpm does not do it.
    """
    own = _own(root)
    if own is None:
        if asked not in ("", WRITTEN_BACKEND):
            raise SystemExit(
                f"the recipe asks for an RPM database {asked}, and the root has no rpm that could write it"
            )
        return WRITTEN_BACKEND
    backend, place = own
    backend = asked or backend
    if backend == WRITTEN_BACKEND and (root / place).resolve() == (root / WRITTEN).resolve():
        return backend
    print(f"the RPM database is handed over to the root's own rpm: {backend}, in /{place}", file=sys.stderr)
    expected = _names(call("rpm", f"--root={root}", "-qa", "--qf", NAMES).stdout)
    keys = call("rpm", f"--root={root}", "-q", "--qf", "%{description}\n", KEYS, check=False)
    for pattern in ("rpmdb.sqlite*", ".rpm.lock"):
        for path in (root / WRITTEN).glob(pattern):
            path.unlink()
    scratch = root / SCRATCH
    scratch.mkdir(parents=True)
    for name in files:
        shutil.copyfile(repository / name, scratch / name)
    (scratch / "clock.so").write_bytes(still_clock(epoch))
    for number, key in enumerate(ARMOURED.findall(keys.stdout)):  # an old rpm reads the first of a file alone
        (scratch / f"key-{number}").write_text(key + "\n", "utf-8")
    (root / place).mkdir(parents=True, exist_ok=True)
    entered = _entered(root, epoch, files, asked)
    shutil.rmtree(scratch)
    if entered != expected:
        wrong = ", ".join(sorted(entered ^ expected))
        raise SystemExit(f"the root's own rpm did not enter what was installed; different: {wrong}")
    if backend in FILES and not (root / place / FILES[backend]).is_file():
        raise SystemExit(
            f"the root's own rpm wrote no database of the kind {backend}; name in the recipe what it reads"
        )
    return backend


def _entered(root: Path, epoch: int, files: Sequence[str], asked: str) -> set[str]:
    """Let the root's rpm enter packages and keys, which lie in the scratch folder; gives what it then lists."""
    option = [f"--define=_db_backend {asked}"] if asked else []
    packages = [f"/{SCRATCH}/{name}" for name in sorted(files)]
    try:
        _rpm(root, epoch, *option, "--initdb")
        _rpm(root, epoch, *option, *ENTER, *packages)
    except SystemExit as failure:
        if not asked:
            raise
        raise SystemExit(f'{failure}; can it write what the recipe names, os {{ rpm_database = "{asked}" }}?') from None
    for key in sorted((root / SCRATCH).glob("key-*")):
        _rpm(root, epoch, *option, "--import", f"/{SCRATCH}/{key.name}")
    return _names(_rpm(root, epoch, *option, "-qa", "--qf", NAMES))


def _own(root: Path) -> tuple[str, str] | None:
    """Ask the root's rpm for the kind and the folder (below the root) of its database; None where there is no rpm."""
    if not any(os.path.lexists(root / name) for name in ("usr/bin/rpm", "bin/rpm")):
        return None
    backend, place = (_in_root(root, "rpm", "--eval", f"%{{{name}}}").strip() for name in ("_db_backend", "_dbpath"))
    if backend.startswith("%"):
        backend = kind_of_unnamed(_in_root(root, "rpm", "--version"))
    return backend, place.strip("/")


def kind_of_unnamed(version: str) -> str:
    """Give the kind of database of an rpm that does not name it, from what `rpm --version` prints.

    Before 4.16 there was no other than Berkeley DB, but for trials. Raises ValueError where it prints no version.
    """
    found = re.search(r"(\d+)\.(\d+)", version)
    if found is None:
        raise ValueError(f"the root's rpm names no version: {version!r}")
    return "bdb" if (int(found[1]), int(found[2])) < FIRST_TO_NAME_ITS_BACKEND else WRITTEN_BACKEND


def _names(text: str) -> set[str]:
    return {line for line in text.splitlines() if not line.startswith(f"{KEYS}-")}


def _rpm(root: Path, epoch: int, *words: str) -> str:
    return _in_root(root, "rpm", *words, SOURCE_DATE_EPOCH=str(epoch), LD_PRELOAD=f"/{SCRATCH}/clock.so")


def _in_root(root: Path, *words: str, **environment: str) -> str:
    """Run a program of the root in the root; give what it prints. Ends this program where it fails."""
    settings = (
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/",
        "LC_ALL=C",
        *(f"{k}={v}" for k, v in environment.items()),
    )
    try:
        return call("chroot", str(root), "/usr/bin/env", "-i", *settings, *words).stdout
    except subprocess.CalledProcessError as error:
        message = f"the root's own {words[0]} failed with exit code {error.returncode}"
        if error.returncode in (CRASHED, 128 - CRASHED):
            message += (
                "; programs of before 2012 need the kernel of this host to have vsyscall=emulate on its command line"
            )
        raise SystemExit(message) from error


def sweep(root: Path) -> None:
    """Remove what databases leave behind that holds nothing."""
    for place in FOLDERS:
        for pattern in PASSING:
            for path in (root / os.fsdecode(place)).glob(pattern):
                path.unlink()
