"""A copy in a registry: what is asked of it, and how far it is believed.

Source: OCI distribution specification 1.1. Every answer is bounded in length and time; every digest is taken again.
What a registry can not hold by itself is kept under two tags of ours: the index of the store, and an artifact whose
layers are the blobs that no manifest has as a layer.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from builder.audit.copies.patience import Patience
from builder.audit.copies.untrusted import Untrue, decode
from builder.core import documents
from builder.core.digest import CHUNK, Digest
from builder.core.errors import InputFailure, WorkFailure
from builder.store import oci
from builder.store.verify import MANIFEST_LIMIT

SCHEMES = ("oci://", "oci+http://")
INDEX_TAG = "boss-builder.index"
LOOSE_TAG = "boss-builder.loose"
"""Names an artifact that keeps from the registry's own collection of garbage what no other manifest names."""
ACCEPT = f"{oci.MANIFEST}, {oci.INDEX}"
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DERIVED = re.compile(r".*\.[0-9a-f]{12}")
NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
TIMEOUT = (10.0, 60.0)
"""Seconds: to connect, and between two signs of life."""
PATIENCE = 60.0
"""Seconds that an answer may take in any case."""
SLOWEST = 64 << 10
"""Bytes in a second that a registry must give beyond that, on average."""
TAG_ROUNDS = 60
"""How often PATIENCE a list of tags may take, and so long again all that they name: an hour."""
REDIRECTS = 5
ATTEMPTS = 3
ANSWER_LIMIT = 1 << 20
TAGS_LIMIT = 100_000
BROKEN = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
"""What a connection raises that ends before the answer does."""
AWAY = {429, 500, 502, 503, 504}
"""Statuses that may be over when it is tried again."""


@dataclass(frozen=True)
class Address:
    """Where a repository of a registry is."""

    text: str
    base: str
    """`http://127.0.0.1:5000`."""
    name: str
    """`miniboss`, `bes3/images`."""


def is_address(word: str) -> bool:
    """Whether a word names a registry, and not a path."""
    return word.startswith(SCHEMES)


def parse_address(word: str) -> Address:
    """Read `oci://HOST[:PORT]/NAME`: https, but http on this host, or by `oci+http://`. Raises InputFailure."""
    scheme = next(scheme for scheme in SCHEMES if word.startswith(scheme))
    rest = word.removeprefix(scheme)
    host, _, name = rest.partition("/")
    try:
        split = urlsplit(f"//{host}")
        well = bool(split.hostname) and (split.port is None or split.port > 0) and "@" not in host
    except ValueError:
        well = False
    if not well or not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", host) or not NAME.fullmatch(name) or len(name) > 255:  # noqa: PLR2004
        raise InputFailure(
            f"{word} is no address of a registry", hint="oci://HOST:PORT/NAME, with a NAME of small letters and digits"
        )
    plain = scheme == "oci+http://" or _is_here(split.hostname or "")
    return Address(text=word, base=f"{'http' if plain else 'https'}://{host}", name=name)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tag_of(reference: str) -> str:
    """Derive a tag from a reference: the same where that is a tag of its own, else with a digest at its end."""
    ours = reference in {INDEX_TAG, LOOSE_TAG} or DERIVED.fullmatch(reference)
    if TAG.fullmatch(reference) and not ours:
        return reference
    spelled = re.sub(r"[^A-Za-z0-9._-]", "-", reference).lstrip(".-")[:100] or "_"
    return f"{spelled}.{Digest.of(reference.encode()).hex[:12]}"


class _Session(requests.Session):
    """Follows no redirection: on the way it would read the body of each, which may have no end."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - its caller's signature
        """Give nothing to follow."""
        return


class Registry:
    """A repository of a registry, to read from."""

    def __init__(self, address: Address) -> None:
        """Talk to a registry; nothing is asked yet."""
        self.address = address
        self._top = f"{address.base}/v2/{address.name}"
        self._session = _Session()
        self._patience = Patience(TIMEOUT[1])
        self._patience.guard(self._session)
        self._session.headers["User-Agent"] = "boss-builder"
        self._session.headers["Accept-Encoding"] = "identity"
        if _is_here(urlsplit(address.base).hostname or ""):
            self._session.trust_env = False  # no proxy on the way to this very host
        self._places: dict[str, str] = {}

    @property
    def name(self) -> str:
        """Its address."""
        return self.address.text

    # -- as a source --------------------------------------------------------------------------------------------

    def index_bytes(self) -> bytes:
        """Give the index that `replicate` left; else one of its tags. Raises Untrue where there is neither."""
        data = self.manifest_bytes(INDEX_TAG)
        return data if data is not None else documents.readable(self._index_of_tags())

    def size(self, digest: str) -> int | None:
        """Size of a blob or manifest in bytes; None where it has neither."""
        for kind in ("blobs", "manifests"):
            size = self.size_of(kind, digest)
            if size is not None:
                self._places[digest] = kind
                return size
        return None

    @contextmanager
    def pieces(self, digest: str, limit: int) -> Iterator[Iterator[bytes]]:
        """Open a blob or manifest. Raises Untrue where it has neither, WorkFailure where it does not answer."""
        if digest not in self._places and self.size(digest) is None:
            raise Untrue(f"{digest} is missing from {self.name}")
        yield self.stream(self._places[digest], digest, limit)

    # -- requests -----------------------------------------------------------------------------------------------

    def size_of(self, kind: str, reference: str) -> int | None:
        """Ask for the size of a blob (`blobs`) or manifest (`manifests`); None where it has none."""
        answer = self.ask("HEAD", f"{kind}/{reference}", expected=(200, 404), headers={"Accept": ACCEPT})
        if answer.status_code == http.client.NOT_FOUND:
            return None
        length = answer.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,18}", length):
            raise Untrue(f"{self.name} does not say how long {reference} is")
        return int(length)

    def manifest_bytes(self, reference: str) -> bytes | None:
        """Read a manifest or index by tag or digest, as it is; None where there is none."""
        size = self.size_of("manifests", reference)
        if size is None:
            return None
        if size > MANIFEST_LIMIT:
            raise Untrue(f"{self.name} has {size} bytes as {reference}, which is no manifest then")
        return b"".join(self.stream("manifests", reference, size))

    def stream(self, kind: str, reference: str, limit: int) -> Iterator[bytes]:
        """Read a blob or manifest in pieces, going on where the line broke.

        Raises Untrue past the limit (bytes), WorkFailure where the registry does not answer, or is too slow.
        """
        deadline = _deadline(limit)
        at = 0
        for attempt in range(1, ATTEMPTS + 1):
            headers = {"Accept": ACCEPT} | ({"Range": f"bytes={at}-"} if at else {})
            answer = self.ask("GET", f"{kind}/{reference}", expected=(200, 206, 404), headers=headers, stream=True)
            with answer:
                if answer.status_code == http.client.NOT_FOUND:
                    raise Untrue(f"{reference} is missing from {self.name}")
                skip = at if answer.status_code == http.client.OK else 0
                try:
                    for piece in self._raw(answer, deadline):
                        fresh = piece[skip:]
                        skip -= len(piece) - len(fresh)
                        at += len(fresh)
                        if at > limit:
                            raise Untrue(f"{self.name} gives more than {limit} bytes for {reference}")
                        if fresh:
                            yield fresh
                except BROKEN as error:
                    if attempt == ATTEMPTS or time.monotonic() > deadline:
                        raise WorkFailure(f"{self.name} broke off {reference}: {error}", hint="run it again") from error
                else:
                    return

    def ask(
        self,
        method: str,
        path: str,
        *,
        expected: tuple[int, ...],
        headers: Mapping[str, str] | None = None,
        data: bytes = b"",
        stream: bool = False,
    ) -> requests.Response:
        """Send a request, again where the registry is away; the path is below the repository, or a whole address.

        The body of the answer is not read, but with `stream` by the caller. Raises WorkFailure for another status.
        """
        url = path if "://" in path else f"{self._top}/{path}"
        for attempt in range(1, ATTEMPTS + 1):
            if attempt > 1:
                time.sleep(attempt - 1)
            deadline = _deadline(len(data))
            try:
                with self._patience.until(deadline):
                    answer = self._follow(method, url, headers, data)
            except requests.RequestException as error:
                if time.monotonic() > deadline:
                    raise self._too_slow() from error
                if attempt == ATTEMPTS:
                    raise WorkFailure(
                        f"{self.name} does not answer: {error}", hint="is it there, and is the address right?"
                    ) from error
                continue
            if answer.status_code in expected:
                if not stream:
                    self._drain(answer, deadline)
                return answer
            said = self._drain(answer, deadline)
            if answer.status_code not in AWAY or attempt == ATTEMPTS:
                raise WorkFailure(
                    f"{self.name} answered {answer.status_code} to {method} {urlsplit(url).path}",
                    hint=said[:500].decode("utf-8", "replace"),
                )
        raise AssertionError

    def _follow(self, method: str, url: str, headers: Mapping[str, str] | None, data: bytes) -> requests.Response:
        """Send a request; what only reads is sent again to where an answer points, but not without end."""
        for _ in range(REDIRECTS + 1):
            answer = self._session.request(
                method, url, headers=headers, data=data, stream=True, timeout=TIMEOUT, allow_redirects=False
            )
            if method not in {"GET", "HEAD"} or not answer.is_redirect:
                return answer
            answer.close()  # unread: its body may have no end
            before, url = url, urljoin(answer.url, answer.headers["Location"])
            schemes = urlsplit(before).scheme, urlsplit(url).scheme
            if schemes not in {("http", "http"), ("http", "https"), ("https", "https")}:
                raise Untrue(f"{self.name} points to a place that is not as safe as itself: {url[:200]}")
        raise Untrue(f"{self.name} points from place to place, more than {REDIRECTS} times")

    def _too_slow(self) -> WorkFailure:
        return WorkFailure(f"{self.name} is too slow", hint="run it again: what has come whole is kept")

    def _raw(self, answer: requests.Response, deadline: float) -> Iterator[bytes]:
        """Give a body as it comes, not decoded. Raises WorkFailure past a deadline (monotonic seconds)."""
        while True:
            try:
                with self._patience.until(deadline):
                    piece = answer.raw.read1(CHUNK, decode_content=False)
            except BROKEN as error:
                if time.monotonic() > deadline:
                    raise self._too_slow() from error
                raise
            if not piece:
                return
            if time.monotonic() > deadline:
                raise self._too_slow()
            yield piece

    def _drain(self, answer: requests.Response, deadline: float) -> bytes:
        """Read a short body. Raises Untrue where it is not short, WorkFailure where it does not come."""
        data = bytearray()
        with answer:
            try:
                for piece in self._raw(answer, deadline):
                    data += piece
                    if len(data) > ANSWER_LIMIT:
                        raise Untrue(f"{self.name} answers without end")
            except BROKEN as error:
                raise WorkFailure(f"{self.name} broke off: {error}", hint="run it again") from error
        return bytes(data)

    def elsewhere(self, answer: requests.Response) -> str:
        """Give the address that an answer names. Raises Untrue where it is on another host."""
        found = urljoin(answer.url, answer.headers.get("Location", ""))
        if urlsplit(found)[:2] != urlsplit(self.address.base)[:2]:
            raise Untrue(f"{self.name} wants an upload to go elsewhere: {found[:200]}")
        return found

    # -- tags ---------------------------------------------------------------------------------------------------

    def _index_of_tags(self) -> oci.Index:
        """Describe what the tags name: a registry that others filled."""
        descriptors = []
        tags = sorted(self._tags() - {INDEX_TAG, LOOSE_TAG})
        deadline = time.monotonic() + TAG_ROUNDS * PATIENCE
        for tag in tags:
            if time.monotonic() > deadline:
                raise self._too_slow()
            data = self.manifest_bytes(tag)
            if data is not None:
                manifest = decode(data, oci.Manifest, f"{tag} of {self.name}")
                descriptors.append(
                    oci.Descriptor(
                        media_type=manifest.media_type,
                        digest=Digest.of(data),
                        size=len(data),
                        artifact_type=manifest.artifact_type,
                        annotations={oci.REF_NAME: tag},
                    )
                )
        if not descriptors:
            raise Untrue(f"{self.name} holds nothing", hint="boss-builder replicate fills it")
        return oci.Index(manifests=tuple(descriptors))

    def _tags(self) -> set[str]:
        tags: set[str] = set()
        path = "tags/list?n=1000"
        deadline = time.monotonic() + TAG_ROUNDS * PATIENCE
        while path:
            if time.monotonic() > deadline:
                raise self._too_slow()
            answer = self.ask("GET", path, expected=(200, 404), stream=True)
            data = self._drain(answer, _deadline(0))
            if answer.status_code == http.client.NOT_FOUND:
                return tags
            more = decode(data, dict[str, str | list[str] | None], f"the list of tags of {self.name}").get("tags") or []
            new = {tag for tag in more if TAG.fullmatch(tag)} - tags
            tags |= new
            link = re.fullmatch(r'<([^>]+)>;\s*rel="?next"?', answer.headers.get("Link", ""))
            path = urljoin(answer.url, link[1]) if link and new else ""
            if len(tags) > TAGS_LIMIT or (path and urlsplit(path)[:2] != urlsplit(self.address.base)[:2]):
                raise Untrue(f"{self.name} lists tags without end, or elsewhere")
        return tags


def _deadline(size: int) -> float:
    """Moment of the monotonic clock until which so many bytes must have gone over the line."""
    return time.monotonic() + PATIENCE + size / SLOWEST
