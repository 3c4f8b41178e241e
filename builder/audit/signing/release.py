"""Sign a release, log that it was signed, and sign the log's head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from builder.audit import log
from builder.audit.signing import heads
from builder.audit.signing.event import generation
from builder.audit.signing.heads import SignedHead
from builder.audit.signing.keys import SigningKey
from builder.audit.signing.sign import Signed, sign
from builder.core.errors import FoundFailure, HostFailure, InputFailure
from builder.core.progress import Progress
from builder.store.store import Store


@dataclass(frozen=True)
class Vouched:
    """A release that was signed; and the head of the log that was, and its place in the store."""

    signed: Signed
    head: SignedHead | None = None
    """None where the log can not be written, or is damaged."""
    place: str = ""
    not_logged: str = ""
    """Why there is no head."""


def vouch(
    store: Store, release: str, key: SigningKey, identity: str, *, progress: Progress, clock: Callable[[], datetime]
) -> Vouched:
    """Sign a release, then log it and sign the log's head with the same key. Raises as `sign`.

    The signature counts also where the log can not be written, or is damaged: that is said, and its head not signed.
    """
    signed = sign(store, release, key, identity, progress)
    try:
        with log.writing(store.path) as folder:
            log.append_locked(folder, [generation(signed)], clock())
            name, head = heads.write(folder, key, identity)
    except (HostFailure, FoundFailure, InputFailure) as failure:
        return Vouched(signed, not_logged=failure.problems[0].message)
    return Vouched(signed, head, heads.place(name))
