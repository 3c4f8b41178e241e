"""Groups of packages, as `comps.xml` of a repository describes them: `@core`, `@^minimal`.

dnf reads them with libcomps, whose lists end Python 3.13 with a segmentation fault where they are iterated; and what is
asked of it is little. A group is what it has of mandatory and default packages, and of conditional ones whose condition
is chosen too; an environment is what its groups are. Source of the format: libcomps, docs/ and comps.dtd.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

REPO = "{http://linux.duke.edu/metadata/repo}"
OPENERS: dict[str, Callable[[Path], bytes]] = {
    ".gz": lambda path: gzip.decompress(path.read_bytes()),
    ".xz": lambda path: lzma.decompress(path.read_bytes()),
    ".bz2": lambda path: bz2.decompress(path.read_bytes()),
}
TAKEN = ("mandatory", "default")
CONDITIONAL = "conditional"


@dataclass
class Groups:
    """The groups and environments of some repositories, by id; a group that several have is what they have together."""

    packages: dict[str, set[str]] = field(default_factory=dict)
    conditional: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    """By group: (package, the package that it is taken for)."""
    names: dict[str, set[str]] = field(default_factory=dict)
    """By what people call a group or an environment: its ids."""
    environments: dict[str, list[str]] = field(default_factory=dict)

    def members(self, spec: str) -> list[str]:
        """Give the packages that `@ID`, `@NAME` or `@^ENVIRONMENT` stands for, sorted; none where it is not known."""
        wanted = spec.removeprefix("@").removeprefix("^")
        ids = {wanted, *self.names.get(wanted, ())}
        groups = [group for one in ids for group in self.environments.get(one, [one])]
        chosen = {package for group in groups for package in self.packages.get(group, ())}
        conditional = {pair for group in groups for pair in self.conditional.get(group, ())}
        return sorted(chosen | {package for package, condition in conditional if condition in chosen})


def read_groups(folders: Iterable[Path]) -> Groups:
    """Read the groups of repositories, each a folder that holds `repodata/`. Raises ValueError for no XML."""
    groups = Groups()
    for folder in folders:
        data = _document(folder)
        if data is not None:
            try:
                _add(groups, ET.fromstring(data))  # noqa: S314 - in the builder image, which has no network
            except ET.ParseError as error:
                raise ValueError(f"the groups of {folder.name} can not be read: {error}") from error
    return groups


def _document(folder: Path) -> bytes | None:
    """Give the text of a repository's comps.xml, or None where it has none."""
    table = ET.parse(folder / "repodata" / "repomd.xml")  # noqa: S314 - as above
    for kind in ("group", "group_gz", "group_xz"):
        for data in table.iterfind(f"{REPO}data[@type='{kind}']"):
            location = data.find(f"{REPO}location")
            if location is not None:
                path = folder / location.get("href", "")
                return OPENERS.get(path.suffix, Path.read_bytes)(path)
    return None


def _add(groups: Groups, top: ET.Element) -> None:
    for group in top.iterfind("group"):
        key = group.findtext("id", "").strip()
        groups.names.setdefault(group.findtext("name", "").strip(), set()).add(key)
        packages = groups.packages.setdefault(key, set())
        conditional = groups.conditional.setdefault(key, set())
        for listed in group.iterfind("packagelist/packagereq"):
            name, kind = (listed.text or "").strip(), listed.get("type", "mandatory")
            if kind in TAKEN:
                packages.add(name)
            elif kind == CONDITIONAL:
                conditional.add((name, listed.get("requires", "")))
    for environment in top.iterfind("environment"):
        key = environment.findtext("id", "").strip()
        groups.names.setdefault(environment.findtext("name", "").strip(), set()).add(key)
        groups.environments[key] = [(one.text or "").strip() for one in environment.iterfind("grouplist/groupid")]
