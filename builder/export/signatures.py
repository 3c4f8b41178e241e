"""Who signed a release, and what he signed, as files in an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from builder.export.folder import GrowingFolder

SIGNATURES = "signatures"
ALLOWED_SIGNERS = "allowed_signers"


@dataclass(frozen=True)
class Signer:
    """Somebody who signed and may: the folder that has what he signed, as it stands below `signatures/`."""

    identity: str
    fingerprint: str
    folder: str


@dataclass(frozen=True)
class Signatures:
    """Good signatures of a release, and the files of `signatures/` by name; without signers there are no files."""

    signers: tuple[Signer, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    """Why others are not there."""


NONE = Signatures()


def write_signatures(signatures: Signatures, folder: GrowingFolder) -> None:
    """Write the files into an export."""
    for name, data in sorted(signatures.files.items()):
        folder.write(f"{SIGNATURES}/{name}", data)
