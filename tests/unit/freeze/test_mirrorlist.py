"""Reading a list of mirrors: addresses of http in their order, and words for what is none."""

import pytest

from builder.core.errors import InputFailure
from builder.freeze.mirrorlist import read_mirrorlist

URL = "http://mirrors.example/list?repo=os"


def test_addresses_of_http_in_their_order_once_each():
    text = (
        b"# repo = os country = X\n\nftp://one.example/os\r\nhttp://two.example/os/\r\n"
        b"rsync://three.example/os\nhttps://four.example/os/repodata/repomd.xml\n"
        b"http://two.example/os/\nno address\xff\n"
    )
    assert read_mirrorlist(text, URL) == ("http://two.example/os/", "https://four.example/os/")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "names no mirror"),
        (b"Invalid release/repo/arch combination\n", "names no mirror"),
        (b"ftp://one.example/os\n", "names no mirror"),
        (b'<?xml version="1.0"?>\n<metalink/>', "a page or a metalink"),
        (b"http://one.example/$(rm -r)\n", "names no mirror"),
    ],
    ids=["empty", "words", "no http", "metalink", "no address"],
)
def test_what_is_no_list_is_refused_with_its_address(text, said):
    with pytest.raises(InputFailure, match=said) as failure:
        read_mirrorlist(text, URL)
    assert URL in str(failure.value)
