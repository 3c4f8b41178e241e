"""What differs between a lock's packages and today's: every difference is named once, with both versions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.freeze.download import Checksum
from builder.freeze.primary import Listed
from builder.freeze.resolving import Closure, Resolved, Unresolved
from builder.lock.model import Blob, RpmPackage, Signature, Verdict
from builder.rebuild.evidence import Shelf
from builder.rebuild.taxonomy import Cause
from builder.rebuild.upstream.every_package import location_of
from builder.rebuild.upstream.notes import Notes
from builder.rebuild.upstream.packages import compare_closures, listing_of, look_up, note_refusals
from builder.store.store import Store


class Named:
    """As much of a lock or a repository as is needed."""

    def __init__(self, **values):
        self.__dict__.update(values)


def package(name, version="1", digest="a"):
    return RpmPackage(
        name=name, epoch=0, version=version, release="1", architecture="noarch", location=f"Packages/{name}.rpm",
        blob=Blob(digest="sha256:" + digest * 64, size=1), signature=Signature(verdict=Verdict.GOOD),
    )  # fmt: skip


def resolved(name, version="1", repository="os", digest="a"):
    return Resolved(
        repository=repository, name=name, epoch=0, version=version, release="1", architecture="noarch",
        location=f"Packages/{name}.rpm", checksum_type="sha256", checksum=digest * 64, size=1,
    )  # fmt: skip


def listed(name, version="1", digest="a", location=""):
    nevra = f"{name}-0:{version}-1.noarch"
    return Listed(nevra, location or f"Packages/{name}.rpm", Checksum("sha256", digest * 64))


def matches(one, checksum):
    return one.blob.digest == f"sha256:{checksum.value}"


def lock_of(*packages, repository="os"):
    return Named(repositories=(Named(name=repository, packages=packages),))


@pytest.fixture
def notes(tmp_path):
    return Notes("tiny-1.0", Shelf(Store(tmp_path / "images")))


def told(notes):
    return {(one.cause, one.about): one.message for one in notes.findings}


def closure(*packages):
    return Closure(os=packages, boss=(), vm=(), refused=())


def test_listed_as_frozen_with_other_bytes_elsewhere_and_not_at_all(notes):
    packages = [package(name) for name in ("same", "other", "moved", "gone", "twice")]
    listing = {
        one[0].nevra: one
        for one in (
            (listed("same"),), (listed("other", digest="b"),), (listed("moved", location="m/moved.rpm"),),
            (listed("twice", digest="b"), listed("twice")),
        )
    }  # fmt: skip
    assert look_up("os", packages, listing, matches=matches, notes=notes) == {"gone-0:1-1.noarch"}
    assert set(told(notes)) == {
        (Cause.CHECKSUM_CHANGED, "package other-0:1-1.noarch"),
        (Cause.MOVED, "package moved-0:1-1.noarch"),
        (Cause.PACKAGE_MISSING, "package gone-0:1-1.noarch"),
    }
    assert told(notes)[Cause.MOVED, "package moved-0:1-1.noarch"] == (
        "the repository os has it at m/moved.rpm, no longer at Packages/moved.rpm"
    )


def test_where_a_package_is_asked_for_today():
    one = package("hello")
    assert location_of(one, None, matches) == "Packages/hello.rpm"
    assert location_of(one, {one.nevra: (listed("hello", location="h/hello.rpm"),)}, matches) == "h/hello.rpm"
    assert location_of(one, {one.nevra: (listed("hello", digest="b"),)}, matches) == ""
    assert location_of(one, {}, matches) == ""


def test_another_version_one_more_and_one_less(notes):
    lock = lock_of(package("kernel"), package("library"), package("shell"))
    compare_closures(lock, closure(resolved("kernel", "2"), resolved("shell"), resolved("new")), (), notes)
    assert told(notes) == {
        (Cause.VERSION_CHANGED, "package kernel-0:1-1.noarch"): "frozen 0:1-1, resolved today 0:2-1",
        (Cause.VERSION_CHANGED, "package library-0:1-1.noarch"): "frozen 0:1-1; resolved today, nothing needs it",
        (Cause.VERSION_CHANGED, "package new-0:1-1.noarch"): "resolved today it is added, 0:1-1",
    }
    assert all(one.evidence for one in notes.findings)


def test_a_package_that_is_gone_is_not_named_again_as_one_that_nothing_needs(notes):
    compare_closures(lock_of(package("library")), closure(), {"library-0:1-1.noarch"}, notes)
    assert told(notes) == {}


def test_the_same_package_from_another_repository(notes):
    compare_closures(lock_of(package("library")), closure(resolved("library", repository="boss")), (), notes)
    assert list(told(notes).values()) == ["frozen from the repository os; resolved today, it is taken from boss"]


def test_what_dnf_alone_can_read_is_compared_by_what_it_takes(notes):
    packages = [package("shell"), package("library")]
    nevras = {one.nevra for one in packages}
    taken = [resolved("shell", digest="b"), resolved("library", "2"), resolved("other", repository="boss")]
    listing = listing_of(taken, "os", nevras)
    assert set(listing) == {"shell-0:1-1.noarch"}
    look_up("os", packages[:1], listing, matches=matches, notes=notes)
    assert set(told(notes)) == {(Cause.CHECKSUM_CHANGED, "package shell-0:1-1.noarch")}


def test_a_refusal_is_a_conflict_unless_packages_are_missing(notes, monkeypatch):
    monkeypatch.setattr(
        "builder.rebuild.upstream.packages.wanted_packages", lambda _: {"os": ("shell",), "boss": (), "vm": ()}
    )
    refused = [
        Unresolved(group="os", item=0, message="no repository of the OS has the package 'shell'", hint=""),
        Unresolved(group="boss", item=-1, message="the packages can not be\n  installed together" + "x" * 500, hint=""),
    ]
    note_refusals(Named(recipe=None), refused, {"library-0:1-1.noarch"}, notes)
    assert told(notes) == {}
    note_refusals(Named(recipe=None), refused, (), notes)
    assert set(told(notes)) == {
        (Cause.PACKAGE_MISSING, "package shell"), (Cause.DEPENDENCY_CONFLICT, "packages of boss"),
    }  # fmt: skip
    message = told(notes)[Cause.DEPENDENCY_CONFLICT, "packages of boss"]
    assert message.startswith("the packages can not be installed together")
    assert message.endswith("...")


NAMES = st.sampled_from("abcdef")
VERSIONS = st.dictionaries(NAMES, st.sampled_from("123"))


@given(VERSIONS, VERSIONS)
def test_exactly_what_differs_is_told_once(tmp_path_factory, before, after):
    notes = Notes("tiny-1.0", Shelf(Store(tmp_path_factory.mktemp("store") / "images")))
    lock = lock_of(*(package(name, version) for name, version in before.items()))
    compare_closures(lock, closure(*(resolved(name, version) for name, version in after.items())), (), notes)
    differ = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert sorted(one.about.split()[1].partition("-")[0] for one in notes.findings) == sorted(differ)
