"""What must hold between the attributes of a block, and between blocks: beyond the kind of each value."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping

import msgspec

from builder.core.errors import Location, Problem
from builder.recipe import model, syntax
from builder.recipe.evaluate import Evaluator, Value, nearest
from builder.recipe.tables import Bookkeeping
from builder.recipe.validation import Reference, Sample, Validation

Given = Mapping[str, syntax.Attribute]
"""The attributes of a block that are said and not null."""
UNPACKED = {"tarball": "tarball", "directory": "directory", "git": "commit"}
"""Kinds of source that have no place of their own, and what is unpacked of each."""
FROM_CVMFS = {"cvmfs": "what comes of CernVM-FS keeps its own path"}
KEEPS_PLACE = {"rpm_repository": "an RPM knows where it is installed", **FROM_CVMFS}


class Checks:
    """Checks of blocks whose labels and names of attributes are right; problems are appended."""

    def __init__(self, evaluator: Evaluator, problems: list[Problem], *, complete: bool) -> None:
        """Take what gives values; of a recipe that is not `complete`, no name is reported as missing."""
        self._evaluator = evaluator
        self._problems = problems
        self._complete = complete

    def within(self, becomes: type[msgspec.Struct], block: syntax.Block, given: Given) -> None:
        """Check one block, that becomes a value of a type of the model."""
        check = _CHECKS.get(becomes)
        if check:
            check(self, block, given)

    def across(self, body: syntax.Body) -> None:
        """Check a whole recipe: no two libraries in one place."""
        first: dict[str, syntax.Attribute] = {}
        for block in body.blocks:
            for attribute in block.body.attributes if block.type == "external_library" else ():
                if attribute.name != "install_to":
                    continue
                value = self._evaluator.value(attribute.value)
                place = posixpath.normpath(value) if isinstance(value, str) else ""
                if place and place in first:
                    hint = f"the other one is said at {first[place].at}"
                    self._refuse(attribute.value.at, f'two external libraries are installed to "{place}"', hint)
                first.setdefault(place, attribute)

    def _refuse(self, at: Location, message: str, hint: str) -> None:
        self._problems.append(Problem(message, hint, at))

    def _value(self, given: Given, name: str) -> Value:
        return self._evaluator.value(given[name].value) if name in given else None

    def document(self, block: syntax.Block, given: Given) -> None:
        """One of file and url; an address with its digest."""
        if self._one_of(block, given, "file", "url") == "url" and "sha256" not in given:
            self._refuse(block.at, f'{block} has an address without "sha256"', "add the digest that sha256sum prints")
        elif "file" in given and "url" not in given and "sha256" in given:
            self._refuse(given["sha256"].at, f'"sha256" is of no use with "file" in {block}', "remove it")

    def reference(self, block: syntax.Block, given: Given) -> None:
        """One of release and results."""
        self._one_of(block, given, "release", "results")

    def repository(self, block: syntax.Block, given: Given) -> None:
        """One of url and mirrorlist."""
        if self._complete or "url" in given:
            self._one_of(block, given, "url", "mirrorlist")

    def _one_of(self, block: syntax.Block, given: Given, one: str, other: str) -> str:
        """Give which of two attributes is said; nothing where that is none or both, which is reported."""
        if one in given and other in given:
            self._refuse(given[other].at, f'{block} has both "{one}" and "{other}"', "keep one of them")
            return ""
        if one not in given and other not in given:
            self._refuse(block.at, f'{block} has neither "{one}" nor "{other}"', "add one of them")
            return ""
        return one if one in given else other

    def package(self, block: syntax.Block, given: Given) -> None:
        """A place to unpack to, where and only where something is unpacked."""
        self._placed(block, given, KEEPS_PLACE)

    def library(self, block: syntax.Block, given: Given) -> None:
        """As a package, but for RPMs, which no library is made of."""
        self._placed(block, given, FROM_CVMFS)

    def _placed(self, block: syntax.Block, given: Given, keeps_place: Mapping[str, str]) -> None:
        kinds = [source.labels[0].text for source in block.body.blocks if source.type == "source"]
        if not kinds:
            return
        if kinds[0] in keeps_place and "install_to" in given:
            self._refuse(given["install_to"].at, keeps_place[kinds[0]], 'remove "install_to"')
        if kinds[0] in UNPACKED and "install_to" not in given:
            hint = f'add install_to = "/...": where the {UNPACKED[kinds[0]]} is unpacked'
            self._refuse(block.at, f'missing attribute "install_to" in {block}', hint)

    def cvmfs(self, block: syntax.Block, given: Given) -> None:
        """A revision, and a path of the repository."""
        if "tag" not in given and "root_hash" not in given:
            self._refuse(block.at, f'{block} has neither "tag" nor "root_hash"', "add one of them, or both")
        repository, path = self._value(given, "repository"), self._value(given, "path")
        if isinstance(repository, str) and isinstance(path, str):
            top = f"/cvmfs/{repository}"
            if path.startswith("/cvmfs/") and path != top and not path.startswith(f"{top}/"):
                self._refuse(given["path"].value.at, f'"path" of {block} is not in {top}', f"it begins with {top}/")

    def puppet(self, block: syntax.Block, given: Given) -> None:  # noqa: ARG002 - as others
        """Data only for a hiera that reads it."""
        if "hiera_data" in given and "hiera" not in given:
            self._refuse(given["hiera_data"].at, '"hiera_data" needs "hiera"', 'add hiera = "puppet/hiera.yaml"')

    def bookkeeping(self, block: syntax.Block, given: Given) -> None:
        """A file to install to, not a folder."""
        place = self._value(given, "install_to")
        if isinstance(place, str) and place.endswith("/"):
            message = f'"install_to" of {block} is the folder "{place}"'
            self._refuse(
                given["install_to"].value.at, message, "name the file, as in /usr/share/bookkeeping/offlinedb.db"
            )

    def sample(self, block: syntax.Block, given: Given) -> None:
        """Files that do not overwrite each other in the folder of the jobs; no more events emulated than real ones."""
        first: dict[str, Location] = {}
        for name in ("job_options", "files", "result"):
            for text, at in self._texts(given, name):
                last = posixpath.basename(posixpath.normpath(text))
                if last in first:
                    hint = f"all stand in one folder while the jobs run; the other one is said at {first[last]}"
                    self._refuse(at, f'two files of {block} are called "{last}"', hint)
                first.setdefault(last, at)
        events, emulated = self._value(given, "events"), self._value(given, "emulated_events")
        if isinstance(events, int | float) and isinstance(emulated, int | float) and emulated > events:
            self._refuse(
                given["emulated_events"].value.at,
                f'"emulated_events" of {block} is {emulated}, more than its {events} events',
                "an emulated processor is slower: it gets fewer events, or as many",
            )

    def _texts(self, given: Given, name: str) -> Iterator[tuple[str, Location]]:
        """Yield each text of an attribute, which is a text or a list of them, and where it stands."""
        value = self._value(given, name)
        values = value if isinstance(value, list) else [value]
        said = given[name].value if name in given else None
        places = said.items if isinstance(said, syntax.ListOf) else (said,) * len(values)
        for item, place in zip(values, places, strict=True):
            if isinstance(item, str) and item and place is not None:
                yield item, place.at

    def validation(self, block: syntax.Block, given: Given) -> None:  # noqa: ARG002 - as others
        """Observables of samples and references that there are."""
        names = {
            kind: [nested.labels[0].text for nested in block.body.blocks if nested.type == kind and nested.labels]
            for kind in ("sample", "reference")
        }
        for nested in block.body.blocks:
            if nested.type == "observable":
                attributes = {attribute.name: attribute for attribute in nested.body.attributes}
                for attribute, kind in (("samples", "sample"), ("reference", "reference")):
                    for name, at in self._texts(attributes, attribute):
                        self._named(kind, names[kind], nested, name, at)

    def _named(self, kind: str, known: Collection[str], block: syntax.Block, name: str, at: Location) -> None:
        if not self._complete or name in known:
            return
        near = nearest(name, known)
        hint = f'did you mean "{near}"?' if near else f'add {kind} "NAME" {{ ... }} beside it'
        if known and not near:
            hint = f"known: {', '.join(known)}"
        self._refuse(at, f'there is no {kind} "{name}", which {block} names', hint)


_CHECKS: dict[type[msgspec.Struct], Callable[[Checks, syntax.Block, Given], None]] = {
    Bookkeeping: Checks.bookkeeping,
    model.CvmfsSource: Checks.cvmfs,
    model.Document: Checks.document,
    model.ExternalLibrary: Checks.library,
    model.Package: Checks.package,
    model.Puppet: Checks.puppet,
    model.RpmRepository: Checks.repository,
    model.RpmSource: Checks.repository,
    Reference: Checks.reference,
    Sample: Checks.sample,
    Validation: Checks.validation,
}
