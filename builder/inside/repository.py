"""Make the metadata of a frozen repository with createrepo_c.

Request: {"packages": folder, "epoch": seconds since 1970, "sha1": true or false}; the folder is read-only. Answer:
{"files": [name]}, files that now lie in `repodata/` of the current folder. The same packages give the same bytes.

With "sha1", metadata is as createrepo 0.4 of Enterprise Linux 5 wrote it, whose yum knows no other checksum, and calls
it sha. createrepo_c is built without it, so what it writes is rewritten: the checksum of a package is its identity in
all three files.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from builder.inside.program import call, serve

LISTS = ("filelists", "other", "primary")
IDENTITY = re.compile(rb'(type="sha256" pkgid="YES">|pkgid=")([0-9a-f]{64})')
"""Where a list names a package by its checksum: primary.xml in an element, the others in an attribute."""
NAMESPACE = "http://linux.duke.edu/metadata/repo"


def make(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request as the module says."""
    epoch = int(request["epoch"])
    with tempfile.TemporaryDirectory() as scratch:
        identities = {}
        for path in sorted(Path(request["packages"]).iterdir()):
            copy = Path(scratch) / path.name
            shutil.copyfile(path, copy)
            os.utime(copy, (epoch, epoch))  # primary.xml holds the time of each file
            if request["sha1"]:
                data = copy.read_bytes()
                identities[hashlib.sha256(data).hexdigest()] = _sha1(data)
        call(
            "createrepo_c", "--quiet", "--revision", str(epoch), "--set-timestamp-to-revision",
            "--general-compress-type=gz", "--no-database", scratch,
            environment={"SOURCE_DATE_EPOCH": str(epoch)},
        )  # fmt: skip
        made = Path(scratch) / "repodata"
        if request["sha1"]:
            made = _rewritten(made, identities, epoch)
        shutil.copytree(made, "repodata")
    return {"files": sorted(path.name for path in Path("repodata").iterdir())}


def _rewritten(made: Path, identities: dict[str, str], epoch: int) -> Path:
    """Write the lists anew, with other identities of packages and the old checksums; gives their folder."""
    folder = made.with_name("rewritten")
    folder.mkdir()
    described = []
    for name in LISTS:
        (path,) = made.glob(f"*-{name}.xml.gz")
        plain = IDENTITY.sub(lambda found: _identity(found, identities), gzip.decompress(path.read_bytes()))
        packed = gzip.compress(plain, mtime=0)
        (folder / f"{name}.xml.gz").write_bytes(packed)
        described.append(
            f'  <data type="{name}">\n'
            f'    <checksum type="sha">{_sha1(packed)}</checksum>\n'
            f'    <open-checksum type="sha">{_sha1(plain)}</open-checksum>\n'
            f'    <location href="repodata/{name}.xml.gz"/>\n'
            f"    <timestamp>{epoch}</timestamp>\n"
            "  </data>\n"
        )
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<repomd xmlns="{NAMESPACE}">\n  <revision>{epoch}</revision>\n'
    (folder / "repomd.xml").write_text(head + "".join(described) + "</repomd>\n", "utf-8")
    return folder


def _identity(found: re.Match[bytes], identities: dict[str, str]) -> bytes:
    return found[1].replace(b"sha256", b"sha") + identities[found[2].decode()].encode()


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


if __name__ == "__main__":
    serve(make)
