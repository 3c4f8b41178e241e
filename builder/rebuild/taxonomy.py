"""How preserved software stops working: the stages at which it shows, the causes, what each means and what to do.

Two questions are kept apart. "Could it still be built from upstream today?" is answered by FETCH, TRUST and RESOLVE;
"does it still build from what was frozen, to the same, and does that still work?" by STORE, BUILD, COMPARE, BOOT and
VALIDATE. HOST explains what the others find, or says why a question could not be answered here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """Where something shows. The order is that of the work: of several findings, the first stage's counts."""

    FETCH = "FETCH"
    TRUST = "TRUST"
    RESOLVE = "RESOLVE"
    STORE = "STORE"
    BUILD = "BUILD"
    COMPARE = "COMPARE"
    BOOT = "BOOT"
    VALIDATE = "VALIDATE"
    HOST = "HOST"


class Severity(StrEnum):
    """What a finding amounts to."""

    NONE = "none"
    """All is as it was."""
    NOTE = "note"
    """Worth knowing; nothing is wrong."""
    WARNING = "warning"
    """It works still, and is no longer what it was."""
    ERROR = "error"
    """It does not work, or it is something else."""
    UNKNOWN = "unknown"
    """It could not be found out. Never success."""


class Cause(StrEnum):
    """What is wrong, as `STAGE/cause`; each belongs to one stage."""

    SOURCE_GONE = "FETCH/source-gone"
    MOVED = "FETCH/moved"
    CHECKSUM_CHANGED = "FETCH/checksum-changed"
    AUTH_REQUIRED = "FETCH/auth-required"
    NETWORK_TRANSIENT = "FETCH/network-transient"
    SIGNATURE_EXPIRED = "TRUST/signature-expired"
    KEY_MISSING = "TRUST/key-missing"
    ALGORITHM_REJECTED = "TRUST/algorithm-rejected"
    METADATA_EXPIRED = "TRUST/metadata-expired"
    SIGNATURE_BAD = "TRUST/signature-bad"
    PACKAGE_MISSING = "RESOLVE/package-missing"
    VERSION_CHANGED = "RESOLVE/version-changed"
    DEPENDENCY_CONFLICT = "RESOLVE/dependency-conflict"
    BLOB_CORRUPT = "STORE/corrupt"
    BLOB_MISSING = "STORE/missing"
    BLOB_EXTRA = "STORE/extra"
    BUILD_FAILS = "BUILD/fails"
    BUILD_TIMEOUT = "BUILD/timeout"
    BUILD_OUT_OF_RESOURCES = "BUILD/out-of-resources"
    BIT_IDENTICAL = "COMPARE/bit-identical"
    CONTENT_IDENTICAL = "COMPARE/content-identical"
    METADATA_ONLY = "COMPARE/metadata-only"
    CONTENT_DIFFERS = "COMPARE/content-differs"
    MISSING_OUTPUT = "COMPARE/missing-output"
    NOT_COMPARED = "COMPARE/not-compared"
    NO_BOOT = "BOOT/no-boot"
    BOOT_TIMEOUT = "BOOT/boot-timeout"
    VALIDATION_FAILS = "VALIDATE/fails"
    WITHIN_TOLERANCE = "VALIDATE/differs-within-tolerance"
    DIFFERS = "VALIDATE/differs"
    NOT_VALIDATED = "VALIDATE/not-judged"
    HOST_CHANGED = "HOST/changed"
    HOST_LACKS = "HOST/lacks"

    @property
    def stage(self) -> Stage:
        """The stage it belongs to."""
        return Stage(self.value.partition("/")[0])

    @property
    def short(self) -> str:
        """The cause without its stage."""
        return self.value.partition("/")[2]

    @property
    def entry(self) -> Entry:
        """What is known of it."""
        return TAXONOMY[self]


@dataclass(frozen=True)
class Entry:
    """What a cause means, how grave it is, and what to do; `{release}` stands for the release's name."""

    severity: Severity
    meaning: str
    advice: str


ERROR, WARNING, NOTE, NONE, UNKNOWN = (
    Severity.ERROR, Severity.WARNING, Severity.NOTE, Severity.NONE, Severity.UNKNOWN,
)  # fmt: skip

TAXONOMY: dict[Cause, Entry] = {
    Cause.SOURCE_GONE: Entry(
        ERROR, "upstream no longer has it",
        "nothing is lost: the store has the bytes. Look for a vault or a mirror, and name it in the recipe",
    ),
    Cause.MOVED: Entry(
        WARNING, "upstream has it at another address",
        "name the new address in the recipe before the old one goes, then: boss-builder freeze {release}",
    ),
    Cause.CHECKSUM_CHANGED: Entry(
        ERROR, "upstream gives other bytes under the same name",
        "do not freeze anew before it is clear who changed it and why; the store has the former bytes",
    ),
    Cause.AUTH_REQUIRED: Entry(
        ERROR, "upstream asks who we are",
        "ask its owner for access, or name a mirror that needs none; the store has the bytes",
    ),
    Cause.NETWORK_TRANSIENT: Entry(
        UNKNOWN, "upstream could not be asked: network, name server or server failed, also when tried again",
        "ask again later: boss-builder rebuild {release} --upstream",
    ),
    Cause.SIGNATURE_EXPIRED: Entry(
        ERROR, "the key, or the signature itself, is no longer valid",
        "the frozen bytes stay good by their digests. For a new freeze, take the renewed key from its owner",
    ),
    Cause.KEY_MISSING: Entry(
        ERROR, "it is signed with a key that is not at hand any more, or with another than was frozen",
        "compare fingerprints with the owner's before you name another key in the recipe",
    ),
    Cause.ALGORITHM_REJECTED: Entry(
        ERROR, "it is signed with an algorithm that is refused today",
        "rely on the digests that were frozen; for a new freeze, ask the owner to sign with SHA-256 or better",
    ),
    Cause.METADATA_EXPIRED: Entry(
        ERROR, "the metadata is past the time for which it was signed",
        "the repository is no longer maintained: rely on the frozen metadata, or name its vault in the recipe",
    ),
    Cause.SIGNATURE_BAD: Entry(
        ERROR, "the signature does not match what is signed, or is gone",
        "do not use this repository until it is clear why; the store has what was frozen",
    ),
    Cause.PACKAGE_MISSING: Entry(
        ERROR, "the repository no longer lists a package",
        "the store has it. A vault often keeps what a repository dropped: name it in the recipe",
    ),
    Cause.VERSION_CHANGED: Entry(
        WARNING, "resolved today, the recipe would take another version",
        "the lock keeps the frozen one; to see what a new freeze takes: boss-builder freeze {release} --update",
    ),
    Cause.DEPENDENCY_CONFLICT: Entry(
        ERROR, "resolved today, the packages can not be installed together",
        "the lock keeps what could; for a new freeze, correct `packages`, or name the repository that is lacking",
    ),
    Cause.BLOB_CORRUPT: Entry(
        ERROR, "bytes in the store are not what their name says",
        "restore them from a copy of the store; `boss-builder verify` names everything that is damaged",
    ),
    Cause.BLOB_MISSING: Entry(
        ERROR, "the store lacks what the lock or an image names",
        "restore it from a copy of the store; while upstream has it: boss-builder freeze {release}",
    ),
    Cause.BLOB_EXTRA: Entry(
        WARNING, "the store holds what is no blob",
        "move it away: nothing but blobs belongs there",
    ),
    Cause.BUILD_FAILS: Entry(
        ERROR, "a stage or an image can not be made any more from what was frozen",
        "read the log; what changed on this host since the last good run is named with it",
    ),
    Cause.BUILD_TIMEOUT: Entry(
        ERROR, "a stage or an image was not made within its time limit",
        "read the log for the last thing that it did; a busy host can be the reason: run it again alone",
    ),
    Cause.BUILD_OUT_OF_RESOURCES: Entry(
        UNKNOWN, "space or memory ran out",
        "free some, where the store and the engine keep their files, and run it again",
    ),
    Cause.BIT_IDENTICAL: Entry(NONE, "the rebuilt image is the stored one, bit for bit", ""),
    Cause.CONTENT_IDENTICAL: Entry(
        WARNING, "the same files with the same attributes, in other container bytes",
        "harmless for use. Compare the tools: another compressor or another order of writing explains it",
    ),
    Cause.METADATA_ONLY: Entry(
        WARNING, "the same contents; times, owners, modes or the order of entries differ",
        "find the step that does not set them (the path tells whose it is)",
    ),
    Cause.CONTENT_DIFFERS: Entry(
        ERROR, "files differ, or are there in one image only",
        "the differences name files and bytes: a time or a random number in a file is the step's fault",
    ),
    Cause.MISSING_OUTPUT: Entry(
        ERROR, "an image that the recipe asks for was not made, or a file of it",
        "read the log of the build",
    ),
    Cause.NOT_COMPARED: Entry(
        UNKNOWN, "the store has no image of the present lock to compare with",
        "make one: boss-builder build {release}",
    ),
    Cause.NO_BOOT: Entry(
        ERROR, "the rebuilt image does not boot",
        "read the log; `boss-builder run {release}` shows it on a terminal",
    ),
    Cause.BOOT_TIMEOUT: Entry(
        ERROR, "the rebuilt image was not up within its time limit",
        "read the console's log for the last thing that it did; a busy host can be the reason",
    ),
    Cause.VALIDATION_FAILS: Entry(
        ERROR, "a check of the validation suites failed",
        "the result names the check: boss-builder validate {release}",
    ),
    Cause.WITHIN_TOLERANCE: Entry(
        WARNING, "the results differ from the stored ones by no more than chance or tolerance explains",
        "another processor or emulator can be the reason; what changed on this host is named with it",
    ),
    Cause.DIFFERS: Entry(
        ERROR, "the results differ from the stored ones",
        "the report shows which distributions: same image and same seed should give the same",
    ),
    Cause.NOT_VALIDATED: Entry(
        UNKNOWN, "the validation came to no verdict",
        "the result says what could not be judged: boss-builder validate {release}",
    ),
    Cause.HOST_CHANGED: Entry(
        NOTE, "the builder image, an engine, the kernel or the processor is another than in the last run",
        "nothing to do; where something differs, this can be the reason",
    ),
    Cause.HOST_LACKS: Entry(
        UNKNOWN, "this host lacks what is needed to find out",
        "install or start what is named, or run it on another host",
    ),
}  # fmt: skip
