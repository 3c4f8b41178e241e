"""Reading repomd.xml: what is needed is found, what points outside is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.core.errors import InputFailure
from builder.freeze.metadata import parse

HEAD = '<?xml version="1.0" encoding="UTF-8"?><repomd xmlns="http://linux.duke.edu/metadata/repo">'
PRIMARY = """<data type="primary"><checksum type="sha256">{0}</checksum><location href="{1}"/><size>12</size></data>"""
OTHER = """<data type="other"><checksum type="sha256">00</checksum><location href="repodata/other.xml.gz"/></data>"""


def repomd(*parts: str) -> bytes:
    return (HEAD + "<revision>7</revision>" + "".join(parts) + "</repomd>").encode()


def test_what_resolving_needs_is_found_and_the_rest_left_out():
    found = parse(repomd(PRIMARY.format("ab", "repodata/primary.xml.gz"), OTHER), "url")
    assert found.revision == "7"
    assert [(p.kind, p.location, p.checksum.value, p.size) for p in found.parts] == [
        ("primary", "repodata/primary.xml.gz", "ab", 12)
    ]
    assert b"other.xml.gz" not in found.reduced
    assert parse(found.reduced, "url").parts == found.parts


@pytest.mark.parametrize("place", ["/etc/passwd", "../../etc/passwd", "http://elsewhere/x", "", "a/../../b"])
def test_a_location_outside_the_repository_is_refused(place):
    with pytest.raises(InputFailure, match="points outside"):
        parse(repomd(PRIMARY.format("ab", place)), "url")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no element"),
        (b"<html>not found</html>", "no primary"),
        (repomd(OTHER), "no primary"),
        (repomd('<data type="primary"><location href="x"/></data>'), "no checksum"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]>' + repomd(PRIMARY.format("ab", "x")), "document type"),
    ],
)
def test_what_is_no_metadata_is_refused_with_the_address(data, said):
    with pytest.raises(InputFailure, match=said) as caught:
        parse(data, "http://vault.example/repomd.xml")
    assert "http://vault.example/repomd.xml" in str(caught.value)


@given(st.binary(max_size=200))
def test_nothing_but_a_refusal_comes_of_noise(noise):
    with pytest.raises(InputFailure):
        parse(noise, "url")
