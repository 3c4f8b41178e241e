"""What the log says of a signature."""

from __future__ import annotations

from collections.abc import Sequence

from builder.audit.log import Event, EventType, Happening, Outcome
from builder.audit.signing.sign import Signed

KEY = "key"


def generation(signed: Signed) -> Happening:
    """Say that a release was signed, by whom, and with which key; the object is SHA256SUMS, which names every blob."""
    return Happening(
        EventType.SIGNATURE_GENERATION,
        f"SHA256SUMS of {signed.receipt.release}, signed by {signed.identity} with {signed.key.fingerprint}",
        Outcome.SUCCESS,
        f"{signed.blobs} blobs",
        objects=(signed.digest,),
        facts={
            "release": signed.receipt.release,
            "identity": signed.identity,
            KEY: signed.key.key_id,
            "blobs": signed.blobs,
        },
    )


def last_generation(events: Sequence[Event]) -> int:
    """Give the line of the last such event; 0 where there is none."""
    numbers = (
        event.event_identifier
        for event in reversed(events)
        if event.event_type is EventType.SIGNATURE_GENERATION and KEY in event.event_detail_extension
    )
    return next(numbers, 0)
