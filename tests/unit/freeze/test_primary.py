"""The list of a repository's packages: read as createrepo_c writes it, bounded, and refused where it is none."""

import bz2
import gzip
import io
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.core.errors import InputFailure
from builder.freeze import primary
from builder.freeze.download import Checksum
from builder.freeze.primary import Listed, is_readable, parse, pieces, read_packages
from tests.tinyrpm import TinyRpm, build_repository

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><metadata xmlns="http://linux.duke.edu/metadata/common" '
    'xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">'
)
PACKAGE = (
    '<package type="rpm"><name>{name}</name><arch>noarch</arch><version epoch="{epoch}" ver="1.0" rel="1"/>'
    '<checksum type="sha256" pkgid="YES">{checksum}</checksum><summary>x</summary><location href="{location}"/>'
    '<format><rpm:provides><rpm:entry name="other"/></rpm:provides><rpm:license>{license}</rpm:license>'
    "<file>/name</file></format></package>"
)


def package(name="a", epoch="0", checksum="ab", location="a.rpm", license_=""):
    return PACKAGE.format(name=name, epoch=epoch, checksum=checksum, location=location, license=license_)


def listed(*packages):
    return (HEAD + "".join(packages) + "</metadata>").encode()


def read(tmp_path, data, location="repodata/primary.xml"):
    path = tmp_path / "part"
    path.write_bytes(data)
    return list(read_packages(path, location))


def test_what_createrepo_writes_is_read(tmp_path):
    rpms = [TinyRpm("hello", epoch=2, version="1.5~rc1"), TinyRpm("other")]
    folder = build_repository(tmp_path / "repository", rpms)
    (path,) = (folder / "repodata").glob("*-primary.xml.gz")
    found = {one.nevra: one for one in read_packages(path, f"repodata/{path.name}")}
    one = found["hello-2:1.5~rc1-1.noarch"]
    assert len(found) == 2
    assert one.location == "Packages/hello-1.5~rc1-1.noarch.rpm"
    assert one.checksum.algorithm == "sha256"
    assert one.checksum.matches(folder / one.location)
    assert one.license


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), ("", bytes)]
)
def test_every_way_to_pack_it(tmp_path, suffix, pack):
    data = pack(listed(package(license_="MIT")))
    location = f"repodata/primary.xml{suffix}"
    assert is_readable(location)
    assert read(tmp_path, data, location) == [Listed("a-0:1.0-1.noarch", "a.rpm", Checksum("sha256", "ab"), "MIT")]


def test_what_only_dnf_can_unpack_is_known_beforehand():
    assert not is_readable("repodata/primary.xml.zst")
    assert not is_readable("repodata/primary.xml.zck")


def test_nothing_of_a_package_is_taken_for_the_next_one_s(tmp_path):
    bare = '<package type="rpm"><name>b</name></package>'
    one, two = read(tmp_path, listed(package(license_="MIT"), bare))
    assert one.license == "MIT"
    assert (two.location, two.checksum, two.license) == ("", Checksum("", ""), "")


@given(st.integers(1, 40))
def test_a_list_may_come_in_any_pieces(size):
    data = listed(*(package(name=f"p{n}", license_=f"L{n} &amp; more") for n in range(3)))
    found = parse(data[at : at + size] for at in range(0, len(data), size))
    assert [one.license for one in found] == [f"L{n} & more" for n in range(3)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no element"),
        (b"<html><name>a</name></html>", "does not begin as one"),
        (b"<metadata/>", "does not begin as one"),
        (HEAD.encode(), "no element"),
        (b'<!DOCTYPE metadata [<!ENTITY a "b">]>' + listed(), "document type"),
        (listed()[:-3], "unclosed|not well-formed|no element"),
        (listed("<a>" * 1000 + "</a>" * 1000), "nested more than 32 deep"),
        (listed('<a b="' + "x" * (20 << 20) + '"/>'), "a tag is longer than"),
    ],
    ids=["empty", "html", "no namespace", "no end", "document type", "cut", "deep", "long tag"],
)
def test_what_is_no_list_is_refused(tmp_path, data, said):
    with pytest.raises(InputFailure, match=said):
        read(tmp_path, data)


@pytest.mark.parametrize("of", ["checksum", "location", "name", "license_"])
def test_texts_without_an_end_do_not_fill_the_memory(tmp_path, of):
    (found,) = read(tmp_path, listed(package(**{of: "x" * (1 << 20)})))
    assert max(map(len, (found.checksum.value, found.location, found.license))) <= primary.TEXT
    assert len(found.nevra) <= primary.TEXT + len("-0:1.0-1.noarch")


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
@pytest.mark.parametrize("data", [b"not packed", b"", gzip.compress(listed())[:-9]], ids=["plain", "empty", "cut"])
def test_what_can_not_be_unpacked_is_refused(tmp_path, suffix, data):
    with pytest.raises(InputFailure, match=r"can not be unpacked|no list of packages"):
        read(tmp_path, data, f"repodata/primary.xml{suffix}")


def test_a_list_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(primary, "LIMIT", 1 << 20)
    data = gzip.compress(HEAD.encode() + b" " * (4 << 20))
    with pytest.raises(InputFailure, match="longer than"):
        read(tmp_path, data, "repodata/primary.xml.gz")
    monkeypatch.setattr(primary, "LIMIT", 4)
    assert list(pieces(io.BytesIO(b"1234"))) == [b"1234"]


@given(st.binary(max_size=200), st.sampled_from(["", ".gz", ".bz2", ".xz"]))
def test_nothing_but_a_refusal_comes_of_noise(tmp_path_factory, noise, suffix):
    with pytest.raises(InputFailure):
        read(tmp_path_factory.mktemp("noise"), noise, f"repodata/primary.xml{suffix}")
