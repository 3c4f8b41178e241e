"""Reading a Debian binary package (deb(5), deb-control(5)) with dpkg-deb and tarfile."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from example.upstream.programs import UpstreamError


@dataclass(frozen=True)
class Control:
    """What a package says of itself, as far as it is used; relations are still in Debian's notation."""

    name: str
    version: str
    architecture: str
    summary: str
    depends: str
    provides: str
    conffiles: frozenset[str]


def parse_fields(text: str) -> dict[str, str]:
    """Read one stanza of `Field: value` lines; a line that begins with a blank continues the field before."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line[:1] in {" ", "\t"}:
            fields[name] += "\n" + line.strip()
        elif line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    return fields


def read_control(deb: Path) -> Control:
    """Read the control archive of `deb`. Raises UpstreamError where it is not a Debian package."""
    done = subprocess.run(["dpkg-deb", "--ctrl-tarfile", deb], capture_output=True, check=False)
    if done.returncode != 0:
        raise UpstreamError(f"{deb.name} is not a Debian package", hint=done.stderr.decode("utf-8", "replace"))
    texts: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isreg() else None
            if stream is not None:
                texts[member.name.removeprefix("./")] = stream.read().decode("utf-8", "replace")
    fields = parse_fields(texts["control"])
    relations = (fields.get("Pre-Depends", ""), fields.get("Depends", ""))
    return Control(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        summary=fields["Description"].splitlines()[0],
        depends=", ".join(relation for relation in relations if relation),
        provides=fields.get("Provides", ""),
        conffiles=frozenset(re.findall(r"^(?:\S+ )?(/\S+)$", texts.get("conffiles", ""), re.MULTILINE)),
    )


@contextmanager
def open_files(deb: Path) -> Iterator[tarfile.TarFile]:
    """Open the archive of files as a stream: members must be read in their order."""
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as unpacking,
        tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive,
    ):
        yield archive
        while unpacking.stdout is not None and unpacking.stdout.read(1 << 16):
            pass  # the padding after the last member: dpkg-deb wants it read
    if unpacking.returncode != 0:
        raise UpstreamError(f"dpkg-deb could not unpack {deb.name}")
