"""RPM repositories: metadata by createrepo_c, signed, with the public key beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

from example.upstream.programs import run
from example.upstream.signing import SigningKey

METADATA_LIMIT = 600.0


def write_metadata(
    folder: Path,
    date: int,
    key: SigningKey | None,
    key_name: str = "RPM-GPG-KEY",
    *,
    groups: Path | None = None,
    checksum: str = "sha256",
    content: str = "",
) -> None:
    """Make `folder`, which holds RPMs, a repository: repodata/, and with a key repomd.xml.asc and the public key.

    `date` (seconds since 1970) stands as revision and time in the metadata, so the same RPMs give the same bytes.
    `groups` is a comps.xml; `checksum` is the kind of digest that the metadata has, such as `sha1` for an old yum;
    `content` is what the metadata says the repository is.
    """
    words = ["createrepo_c", "--quiet", "--no-database", "--workers", "2"]
    words += ["--revision", str(date), "--set-timestamp-to-revision", "--general-compress-type", "gz"]
    words += ["--checksum", checksum]
    words += ["--groupfile", str(groups)] if groups is not None else []
    words += ["--content", content] if content else []
    run([*words, folder], time_limit=METADATA_LIMIT)
    repomd = folder / "repodata" / "repomd.xml"
    repomd.touch()  # its time in the file system is that of the making, for caches between here and the reader
    if key is not None:
        key.sign_detached(repomd)
        shutil.copyfile(key.public, folder / key_name)
