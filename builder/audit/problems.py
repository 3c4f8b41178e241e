"""Everything that an audit can find, by a code of its own: what it means, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

FROM_A_COPY = "restore it from a copy of the store"
AGAIN = f"{FROM_A_COPY}, or make it again (boss-builder freeze, build, validate)"
LOG_FROM_A_COPY = (
    "restore audit/ from a copy of the store; or move it away and keep it: the next audit begins a new log"
)


class Code(StrEnum):
    """What was found. Codes are never renamed: reports of many years are searched for them."""

    BLOB_DAMAGED = "blob-damaged"
    BLOB_CUT = "blob-cut"
    BLOB_MISSING = "blob-missing"
    BLOB_MODE = "blob-mode"
    BLOB_STRANGER = "blob-stranger"
    UNREADABLE = "unreadable"
    STRANGER = "stranger"
    LEFTOVER = "leftover"
    LAYOUT_DAMAGED = "layout-damaged"
    INDEX_DAMAGED = "index-damaged"
    INDEX_SPELLING = "index-spelling"
    REFERENCE_TWICE = "reference-twice"
    REFERENCE_DIFFERS = "reference-differs"
    REFERENCE_MISNAMED = "reference-misnamed"
    REFERENCE_GONE = "reference-gone"
    REFERENCE_RENAMED = "reference-renamed"
    REFERENCE_EXCHANGED = "reference-exchanged"
    MANIFEST_DAMAGED = "manifest-damaged"
    SUBJECT_MISSING = "subject-missing"
    LOCK_MISSING = "lock-missing"
    LOCK_DAMAGED = "lock-damaged"
    LOCK_DIFFERS = "lock-differs"
    BUILDER_IMAGE_MISSING = "builder-image-missing"
    RECORD_DAMAGED = "record-damaged"
    RECORD_MISSING = "record-missing"
    RECORD_DIFFERS = "record-differs"
    LOG_EDITED = "log-edited"
    LOG_BROKEN = "log-broken"
    LOG_CUT = "log-cut"
    LOG_TOO_LONG = "log-too-long"
    LOG_OTHER_END = "log-other-end"
    HEAD_MISSING = "head-missing"
    HEAD_DAMAGED = "head-damaged"
    LOG_TORN = "log-torn"
    LOG_AHEAD = "log-ahead"
    LOG_REWRITTEN = "log-rewritten"
    SIGNED_HEAD_BAD = "signed-head-bad"
    SIGNED_HEAD_MISSING = "signed-head-missing"
    SIGNATURE_BAD = "signature-bad"
    SIGNED_DIFFERS = "signed-differs"
    SIGNER_UNKNOWN = "signer-unknown"
    SIGNER_UNCOUNTED = "signer-uncounted"
    SIGNATURE_UNCHECKED = "signature-unchecked"


TABLE: dict[Code, tuple[str, str]] = {
    Code.BLOB_DAMAGED: ("its bytes do not have the digest of its name", AGAIN),
    Code.BLOB_CUT: ("it has another size than it should have", AGAIN),
    Code.BLOB_MISSING: ("the store lacks it", AGAIN),
    Code.BLOB_MODE: ("its mode is not 0444, so it can be written", "chmod 0444, and ask who changed it"),
    Code.BLOB_STRANGER: ("it is no blob", "nothing but blobs belongs there; move it away"),
    Code.UNREADABLE: ("it can not be read", "look at the disk and at the rights; nothing is known of it"),
    Code.STRANGER: ("it does not belong into a store", "move it away"),
    Code.LEFTOVER: ("a process that was stopped left it", "remove it: it is no part of the archive"),
    Code.LAYOUT_DAMAGED: ("it does not say that this is an OCI image layout 1.0.0", FROM_A_COPY),
    Code.INDEX_DAMAGED: ("it is no OCI index", FROM_A_COPY),
    Code.INDEX_SPELLING: ("it is not spelled as this software writes it: something else changed it", FROM_A_COPY),
    Code.REFERENCE_TWICE: ("the index has it twice", "restore index.json from a copy of the store"),
    Code.REFERENCE_DIFFERS: ("the index says other things of it than it does", "restore index.json from a copy"),
    Code.REFERENCE_MISNAMED: ("what it names says that it is something else", "restore index.json from a copy"),
    Code.REFERENCE_GONE: ("an earlier audit saw it, and it is gone", "restore index.json from a copy of the store"),
    Code.REFERENCE_RENAMED: ("what an earlier audit saw under this name has another", "restore index.json from a copy"),
    Code.REFERENCE_EXCHANGED: ("it names what another reference named at an earlier audit", "restore index.json"),
    Code.MANIFEST_DAMAGED: ("it is no OCI manifest", AGAIN),
    Code.SUBJECT_MISSING: ("what it belongs to (its subject) is not in the store", FROM_A_COPY),
    Code.LOCK_MISSING: ("the lock that it was made from is not in the store", FROM_A_COPY),
    Code.LOCK_DAMAGED: ("the lock that it was made from can not be understood", FROM_A_COPY),
    Code.LOCK_DIFFERS: ("it does not match the lock that it names", "build it again: boss-builder build"),
    Code.BUILDER_IMAGE_MISSING: ("the builder image that made it is not in the store", FROM_A_COPY),
    Code.RECORD_DAMAGED: (
        "the record of earlier audits is damaged",
        "restore it from a copy; or move it away: the next audit makes it anew, and says so",
    ),
    Code.RECORD_MISSING: ("the log tells of this record, and it is gone", "nothing, if you moved it away"),
    Code.RECORD_DIFFERS: (
        "its sha256 is right, and its md5 or blake3 is not the recorded one: the record is damaged",
        "move the record away: the next audit makes it anew, and says so",
    ),
    Code.LOG_EDITED: ("this line of the log is no event: it was edited", LOG_FROM_A_COPY),
    Code.LOG_BROKEN: ("this line of the log does not follow the one before it", LOG_FROM_A_COPY),
    Code.LOG_CUT: ("the end of the log was cut off", LOG_FROM_A_COPY),
    Code.LOG_TOO_LONG: ("lines were added to the log without its head", LOG_FROM_A_COPY),
    Code.LOG_OTHER_END: ("this line of the log is not the one that the head names", LOG_FROM_A_COPY),
    Code.HEAD_MISSING: ("there is a log, and its head is gone", LOG_FROM_A_COPY),
    Code.HEAD_DAMAGED: ("the head of the log is damaged", LOG_FROM_A_COPY),
    Code.LOG_TORN: ("this line of the log is torn: its writer was stopped", "nothing: the next event says so"),
    Code.LOG_AHEAD: ("the head is one line behind: its writer was stopped", "nothing: the next event says so"),
    Code.LOG_REWRITTEN: (
        "this head was signed, and the log is no longer what it was then: it was rewritten",
        f"ask who did; {LOG_FROM_A_COPY}",
    ),
    Code.SIGNED_HEAD_BAD: ("its signature is not good: it does not vouch for the log", LOG_FROM_A_COPY),
    Code.SIGNED_HEAD_MISSING: (
        "the log tells that its head was signed then, and no signed head of so many lines is there",
        "restore audit/heads from a copy; or, where a sign was stopped, sign again: boss-builder sign RELEASE",
    ),
    Code.SIGNATURE_BAD: (
        "its signature is not good",
        "restore it from a copy of the store, and ask who changed it; boss-builder verify RELEASE tells more",
    ),
    Code.SIGNED_DIFFERS: (
        "what was signed is not what the store has",
        "restore it from a copy of the store; or, where the change is meant, sign again: boss-builder sign RELEASE",
    ),
    Code.SIGNER_UNKNOWN: (
        "nobody who may sign has signed it",
        "if you know whose key it is: boss-builder key trust; or name a list with --allowed-signers; or sign again",
    ),
    Code.SIGNER_UNCOUNTED: (
        "the list of those who may sign does not name the key that signed it: it counts for nothing",
        "nothing, if the key was taken out of the list; else boss-builder key trust, or --allowed-signers",
    ),
    Code.SIGNATURE_UNCHECKED: (
        "its signature could not be checked", "see to what is lacking, mostly OpenSSH's ssh-keygen, and audit again"
    ),
}  # fmt: skip
"""What each code means, said of the thing that was found, and what to do."""

NOTES = frozenset(
    {Code.LEFTOVER, Code.LOG_TORN, Code.LOG_AHEAD, Code.SIGNED_HEAD_MISSING, Code.SIGNER_UNCOUNTED}
)  # fmt: skip
"""What is worth saying and is no damage."""
UNKNOWN = frozenset({Code.UNREADABLE, Code.SIGNATURE_UNCHECKED})
"""What is neither well nor damage: nothing is known of it."""


@dataclass(frozen=True, order=True)
class AuditProblem:
    """One thing that was found: code, what it is about (a path, a reference, a digest), and what was seen there."""

    code: Code
    about: str
    seen: str = ""

    @property
    def message(self) -> str:
        """Say it in a sentence."""
        return f"{self.about}: {TABLE[self.code][0]}" + (f" ({self.seen})" if self.seen else "")

    @property
    def hint(self) -> str:
        """Say what to do."""
        return TABLE[self.code][1]

    @property
    def is_note(self) -> bool:
        """Whether it is no damage."""
        return self.code in NOTES
