"""The list of a repository's packages: read as createrepo_c writes it, bounded, and refused where it is none."""

import bz2
import gzip
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.core.errors import InputFailure
from builder.freeze.download import Checksum
from builder.rebuild.upstream import primary
from builder.rebuild.upstream.primary import Listed, is_readable, read_primary
from tests.tinyrpm import TinyRpm, build_repository

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><metadata xmlns="http://linux.duke.edu/metadata/common" '
    'xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">'
)
PACKAGE = (
    '<package type="rpm"><name>{name}</name><arch>noarch</arch><version epoch="{epoch}" ver="1.0" rel="1"/>'
    '<checksum type="sha256" pkgid="YES">{checksum}</checksum><summary>x</summary><location href="{location}"/>'
    '<format><rpm:provides><rpm:entry name="other"/></rpm:provides><file>/name</file></format></package>'
)


WANTED = {"a-0:1.0-1.noarch"}


def listed(*packages):
    return (HEAD + "".join(packages) + "</metadata>").encode()


def read(tmp_path, data, names, location="repodata/primary.xml"):
    path = tmp_path / "part"
    path.write_bytes(data)
    return read_primary(path, location, names)


def test_what_createrepo_writes_is_read(tmp_path):
    rpms = [TinyRpm("hello", epoch=2, version="1.5~rc1"), TinyRpm("other")]
    folder = build_repository(tmp_path / "repository", rpms)
    (path,) = (folder / "repodata").glob("*-primary.xml.gz")
    found = read_primary(path, f"repodata/{path.name}", {"hello-2:1.5~rc1-1.noarch"})
    (one,) = found["hello-2:1.5~rc1-1.noarch"]
    assert list(found) == [one.nevra]
    assert one.location == "Packages/hello-1.5~rc1-1.noarch.rpm"
    assert one.checksum.algorithm == "sha256"
    assert one.checksum.matches(folder / one.location)


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), ("", bytes)]
)
def test_every_way_to_pack_it(tmp_path, suffix, pack):
    data = pack(listed(PACKAGE.format(name="a", epoch="0", checksum="ab", location="a.rpm")))
    location = f"repodata/primary.xml{suffix}"
    assert is_readable(location)
    assert read(tmp_path, data, WANTED, location) == {
        "a-0:1.0-1.noarch": (Listed("a-0:1.0-1.noarch", "a.rpm", Checksum("sha256", "ab")),)
    }


def test_what_only_dnf_can_unpack_is_known_beforehand():
    assert not is_readable("repodata/primary.xml.zst")
    assert not is_readable("repodata/primary.xml.zck")


def test_a_package_listed_twice_and_one_without_an_epoch(tmp_path):
    one = PACKAGE.format(name="a", epoch="", checksum="ab", location="a.rpm")
    two = PACKAGE.format(name="a", epoch="0", checksum="cd", location="b/a.rpm")
    found = read(tmp_path, listed(one, two), WANTED)
    assert [one.location for one in found["a-0:1.0-1.noarch"]] == ["a.rpm", "b/a.rpm"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no element"),
        (b"<html><name>a</name></html>", "does not begin as one"),
        (HEAD.encode(), "no element"),
        (b'<!DOCTYPE metadata [<!ENTITY a "b">]>' + listed(), "document type"),
        (listed()[:-3], "unclosed|not well-formed|no element"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path, data, said):
    with pytest.raises(InputFailure, match=said):
        read(tmp_path, data, WANTED)


def test_a_list_that_repeats_itself_and_texts_without_an_end_do_not_fill_the_memory(tmp_path):
    one = PACKAGE.format(name="a", epoch="0", checksum="ab" * 100_000, location="a.rpm")
    (found,) = read(tmp_path, listed(*[one] * 50), WANTED).values()
    assert len(found) == primary.SAME
    assert len(found[0].checksum.value) <= primary.TEXT * primary.TEXTS


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
@pytest.mark.parametrize("data", [b"not packed", b""])
def test_what_can_not_be_unpacked_is_refused(tmp_path, suffix, data):
    with pytest.raises(InputFailure, match=r"can not be unpacked|no list of packages"):
        read(tmp_path, data, WANTED, f"repodata/primary.xml{suffix}")


def test_a_list_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(primary, "LIMIT", 1 << 20)
    data = gzip.compress(HEAD.encode() + b" " * (4 << 20))
    with pytest.raises(InputFailure, match="longer than"):
        read(tmp_path, data, WANTED, "repodata/primary.xml.gz")


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9)), max_size=15), st.sets(st.sampled_from("abcd")))
def test_exactly_the_wanted_packages_are_found(tmp_path_factory, packages, wanted):
    texts = [PACKAGE.format(name=n, epoch=e, checksum="ab", location=f"{n}-{e}.rpm") for n, e in packages]
    nevras = {f"{name}-{epoch}:1.0-1.noarch" for name in wanted for epoch in range(10)}
    found = read(tmp_path_factory.mktemp("list"), listed(*texts), nevras)
    assert set(found) == {f"{n}-{e}:1.0-1.noarch" for n, e in packages if n in wanted}
    assert sum(map(len, found.values())) == sum(n in wanted for n, _ in packages)


@given(st.binary(max_size=200), st.sampled_from(["", ".gz", ".bz2", ".xz"]))
def test_nothing_but_a_refusal_comes_of_noise(tmp_path_factory, noise, suffix):
    with pytest.raises(InputFailure):
        read(tmp_path_factory.mktemp("noise"), noise, WANTED, f"repodata/primary.xml{suffix}")
