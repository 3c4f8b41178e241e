"""What checking the signatures of a store gives: who signed what, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from builder.audit.problems import AuditProblem


@dataclass(frozen=True)
class GoodSignature:
    """A good signature of a release: its reference, who may sign and did, the fingerprint of the key."""

    release: str
    reference: str
    identity: str
    fingerprint: str


@dataclass(frozen=True)
class GoodHead:
    """A head of the log that somebody signed who may, and that the log still has: its file in the store, its length."""

    file: str
    count: int
    identity: str
    fingerprint: str


@dataclass(frozen=True)
class FoundSignatures:
    """What was found of releases, or of the log's heads. `objects` are digests of what was examined."""

    good: tuple[GoodSignature, ...] = ()
    heads: tuple[GoodHead, ...] = ()
    problems: tuple[AuditProblem, ...] = ()
    objects: tuple[str, ...] = ()

    def __add__(self, other: FoundSignatures) -> FoundSignatures:
        return FoundSignatures(
            self.good + other.good,
            self.heads + other.heads,
            self.problems + other.problems,
            self.objects + other.objects,
        )

    @property
    def longest(self) -> tuple[GoodHead, ...]:
        """Of each signer the longest head: it vouches for what the others do."""
        found = {(head.identity, head.fingerprint): head for head in sorted(self.heads, key=lambda one: one.count)}
        return tuple(found.values())

    @property
    def is_any(self) -> bool:
        """Whether there was anything to check."""
        return bool(self.good or self.heads or self.problems or self.objects)
