"""What is noted while upstream is asked: findings of one release, and on the shelf what proves them."""

from __future__ import annotations

from builder.rebuild.evidence import Shelf
from builder.rebuild.model import Finding, finding
from builder.rebuild.taxonomy import Cause
from builder.rebuild.upstream.client import Reply, Trouble

FOLDER = "upstream"
"""First part of the names of all evidence here."""
CAUSES = {
    Trouble.GONE: Cause.SOURCE_GONE,
    Trouble.CLOSED: Cause.AUTH_REQUIRED,
    Trouble.PASSING: Cause.NETWORK_TRANSIENT,
    Trouble.CERTIFICATE_EXPIRED: Cause.SIGNATURE_EXPIRED,
    Trouble.CERTIFICATE_UNKNOWN: Cause.KEY_MISSING,
    Trouble.ENCRYPTION: Cause.ALGORITHM_REJECTED,
    Trouble.TOO_LONG: Cause.CHECKSUM_CHANGED,
}


class Notes:
    """Findings, in the order in which they were made; the same one is noted once."""

    def __init__(self, release: str, shelf: Shelf) -> None:
        """Note what is found of a release; evidence goes to the shelf."""
        self._release = release
        self._shelf = shelf
        self._findings: dict[tuple[Cause, str], Finding] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them."""
        return tuple(self._findings.values())

    def add(self, cause: Cause, about: str, message: str, *evidence: str) -> None:
        """Note a finding, unless the same is known of the same thing."""
        made = finding(cause, about, message, release=self._release, evidence=evidence)
        self._findings.setdefault((cause, about), made)

    def keep(self, about: str, name: str, content: bytes, media_type: str = "text/plain") -> str:
        """Keep evidence under a name that says what it is about; gives its digest."""
        return self._shelf.keep(f"{FOLDER}/{about.replace('/', '-').replace(' ', '-')}/{name}", content, media_type)

    def trouble(self, reply: Reply, about: str, cause: Cause | None = None) -> None:
        """Note why an address gave nothing, with the answer as evidence; `cause` says it better than the trouble."""
        if reply.trouble is not None:
            named = CAUSES[reply.trouble] if cause is None else cause
            self.add(named, about, reply.words, self.answer(reply, about))

    def answer(self, reply: Reply, about: str) -> str:
        """Keep status line and headers of an answer; gives the digest."""
        name = reply.ask.url.rstrip("/").rpartition("/")[2].partition("?")[0] or "address"
        return self.keep(about, f"{name}.answer.txt", reply.as_evidence())
