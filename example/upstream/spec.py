"""From what a Debian package says to the text of an RPM spec file. Pure functions.

The notation of versions and dependencies is that of deb-version(7), deb-control(5) and of RPM's spec manual.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from example.upstream.deb import Control
from example.upstream.packages import Repair

_OPERATOR = {"<<": "<", ">>": ">", "=": "=", "<=": "<=", ">=": ">="}
_RELATION = re.compile(
    r"(?P<name>[a-zA-Z0-9][a-zA-Z0-9.+-]*)(?::\w+)?\s*"
    r"(?:\(\s*(?P<operator><<|>>|<=|>=|=)\s*(?P<version>[^)\s]+)\s*\))?$"
)
MERGED = ("/bin", "/sbin", "/lib", "/lib64")


class Kind(StrEnum):
    """What lies at a path."""

    DIRECTORY = "directory"
    FILE = "file"
    LINK = "link"


@dataclass(frozen=True)
class Entry:
    """One path of a package: where it lies, what it is, mode bits (with setuid, setgid, sticky) and owners."""

    path: str
    kind: Kind
    mode: int = 0o755
    user: str = "root"
    group: str = "root"
    is_config: bool = False


@dataclass(frozen=True)
class Version:
    """Epoch (empty: none), version and release of an RPM."""

    epoch: str
    version: str
    release: str

    def __str__(self) -> str:
        """Spell `[epoch:]version-release`."""
        return (f"{self.epoch}:" if self.epoch else "") + f"{self.version}-{self.release}"


@dataclass(frozen=True)
class Listing:
    """The files of a package as they will be packed, and the old names of programs in /bin and /sbin."""

    entries: tuple[Entry, ...]
    provides: tuple[str, ...] = field(default=())


def rpm_version(text: str) -> Version:
    """Turn a Debian version into an RPM one: `1:2.36-9+deb12u1` has epoch 1, version 2.36, release 9+deb12u1.

    A native version (without a revision) gets release 0.
    """
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "", text
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "0"

    def allowed(part: str) -> str:
        return re.sub(r"[^A-Za-z0-9._+~^]", ".", part)

    return Version(epoch, allowed(upstream), allowed(revision))


def _relation(text: str) -> tuple[str, str]:
    """Give the name, and the whole as RPM writes it, of one `name[:arch] [(operator version)]`."""
    match = _RELATION.match(text.strip())
    if match is None:
        raise ValueError(f"not a relation between packages: {text!r}")
    name, operator, version = match["name"], match["operator"], match["version"]
    if not operator:
        return name, name
    converted = rpm_version(version)
    if "-" in version:
        return name, f"{name} {_OPERATOR[operator]} {converted}"
    # without a release RPM takes every release as equal, so "later than 2.36" must become "2.36 or later"
    operator = ">=" if operator == ">>" else _OPERATOR[operator]
    return name, f"{name} {operator} {str(converted).rpartition('-')[0]}"


def relations(text: str, assumed: Collection[str]) -> tuple[str, ...]:
    """Turn a list of Debian relations into RPM ones; alternatives become `(a or b)`.

    A relation that one of `assumed` would satisfy is left out. Raises ValueError where the text is not a list
    of relations.
    """
    result = []
    for group in filter(None, (part.strip() for part in text.replace("\n", " ").split(","))):
        alternatives = [_relation(part) for part in group.split("|")]
        if any(name in assumed for name, _ in alternatives):
            continue
        spelled = list(dict.fromkeys(shown for _, shown in alternatives))
        result.append(spelled[0] if len(spelled) == 1 else f"({' or '.join(spelled)})")
    return tuple(dict.fromkeys(result))


def merged_path(path: str) -> str:
    """Give where `path` lies once /bin, /sbin, /lib and /lib64 are links into /usr."""
    top = "/" + path.split("/", 2)[1]
    return "/usr" + path if top in MERGED else path


def quoted_path(path: str) -> str:
    """Write a path for %files, where `[ * ?` are wild cards, `%` begins a macro and a blank ends a word."""
    escaped = re.sub(r"([\[*?])", r"[\1]", path).replace("%", "%%")
    return f'"{escaped}"' if " " in escaped else escaped


def files_line(entry: Entry) -> str:
    """Give the line of %files for one path."""
    attributes = f"%attr({entry.mode:o},{entry.user},{entry.group})"
    words = {
        Kind.DIRECTORY: ["%dir", attributes],
        Kind.FILE: [attributes],
        Kind.LINK: [],
    }[entry.kind]
    config = ["%config(noreplace)"] if entry.is_config else []
    return " ".join([*config, *words, quoted_path(entry.path)])


def spec_text(control: Control, listing: Listing, repair: Repair, assumed: Collection[str]) -> str:
    """Give the spec of a package whose files lie ready in the build root (so there is no %install)."""
    version = rpm_version(control.version)
    summary = control.summary.replace("%", "%%")
    lines = [
        f"Name: {control.name}",
        *([f"Epoch: {version.epoch}"] if version.epoch else []),
        f"Version: {version.version}",
        f"Release: {version.release}",
        f"Summary: {summary}",
        f"License: see /usr/share/doc/{control.name}/copyright",
        f"BuildArch: {'noarch' if control.architecture == 'all' else 'x86_64'}",
        # directories, owners and groups must be there before the first file
        "Requires(pre): filesystem setup",
        *(f"Requires: {relation}" for relation in relations(control.depends, assumed)),
        *(f"Provides: {relation}" for relation in relations(control.provides, ())),
        *(f"Provides: {path}" for path in listing.provides),
        *repair.tags,
        "%description",
        f"{summary}",
        "Converted from the Debian package of the same name for Tiny Enterprise Linux, an example.",
    ]
    if repair.scripts:
        lines.append(repair.scripts)
    lines += ["%files", *_sorted_lines(listing.entries)]
    return "\n".join(lines) + "\n"


def _sorted_lines(entries: Iterable[Entry]) -> list[str]:
    return [files_line(entry) for entry in sorted(entries, key=lambda entry: entry.path)]
