"""Which address stands in for which: a site's own mirror, or what was staged from tape, in the place of a vault.

Recipes, locks and messages keep the original address; a mirror decides only where the bytes come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from builder.core.errors import InputFailure, WorkFailure

VARIABLE = "BOSS_BUILDER_MIRRORS"
"""Of the environment: FROM=TO, any number, with spaces between them."""
HTTP = ("http://", "https://")
FILE = "file://"


@dataclass(frozen=True)
class Mirror:
    """What begins with `origin` is taken from `target`, an address of http, https or file."""

    origin: str
    target: str

    def covers(self, url: str) -> bool:
        """Whether an address lies below the origin: whole parts of the path count."""
        return url == self.origin or url.startswith(self.origin if self.origin.endswith("/") else f"{self.origin}/")


@dataclass(frozen=True)
class Mirrors:
    """Any number of mirrors; of several that cover an address, the one with the longest origin counts."""

    mirrors: tuple[Mirror, ...] = ()

    def of(self, url: str) -> str:
        """Give the address to ask in the place of `url`: itself where no mirror covers it."""
        covering = [mirror for mirror in self.mirrors if mirror.covers(url)]
        if not covering:
            return url
        mirror = max(covering, key=lambda one: len(one.origin))
        rest = url[len(mirror.origin) :].lstrip("/")
        return f"{mirror.target.rstrip('/')}/{rest}" if rest else mirror.target

    def shown(self, url: str) -> str:
        """Spell an address for messages, with where it was looked for."""
        asked = self.of(url)
        return url if asked == url else f"{url} (at {asked})"


def is_file(address: str) -> bool:
    """Whether an address is one of this host."""
    return address.startswith(FILE)


def file_of(address: str) -> Path:
    """Give the path of an address of this host. Raises WorkFailure for one that climbs."""
    path = unquote(urlsplit(address).path)
    if ".." in PurePosixPath(path).parts:
        raise WorkFailure(f"{address} climbs out of its folder", hint="an address below a mirror holds no ..")
    return Path(path)


def read_mirrors(given: Sequence[str], environment: Mapping[str, str]) -> Mirrors:
    """Read `FROM=TO`, as options or the environment give them; an option beats the environment.

    Raises InputFailure for each that is wrong.
    """
    mirrors = {mirror.origin: mirror for mirror in map(_read, environment.get(VARIABLE, "").split())}
    named: set[str] = set()
    for mirror in map(_read, given):
        if mirror.origin in named:
            raise InputFailure(f"{mirror.origin} has two mirrors", hint="name one of them")
        named.add(mirror.origin)
        mirrors[mirror.origin] = mirror
    return Mirrors(tuple(mirrors.values()))


def _read(text: str) -> Mirror:
    origin, equals, target = text.partition("=")
    hint = "as in --mirror http://vault.example.org/sl=http://mirror.example.org/sl, or =FOLDER"
    if not equals or not target:
        raise InputFailure(f"a mirror is FROM=TO, not {text!r}", hint=hint)
    if not _has_host(origin):
        raise InputFailure(f"{origin!r} is not the beginning of an address of a recipe", hint=hint)
    if target.startswith(HTTP):
        if not _has_host(target):
            raise InputFailure(f"the mirror {target!r} names no host", hint=hint)
        return Mirror(origin, target)
    if "://" in target and not target.startswith(f"{FILE}/"):
        raise InputFailure(f"the mirror {target!r} is none of http, https and file:///", hint=hint)
    folder = file_of(target) if is_file(target) else Path(target).expanduser().absolute()
    if not folder.exists():
        raise InputFailure(f"the mirror {folder} of {origin} is not there", hint="is it mounted, or staged?")
    return Mirror(origin, folder.as_uri())


def _has_host(address: str) -> bool:
    return address.startswith(HTTP) and bool(urlsplit(address).hostname)
