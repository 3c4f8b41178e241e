"""What a finding says of a comparison: what differs, the gravest first, and nothing that differs from run to run."""

from __future__ import annotations

from builder.rebuild.differences import Comparison, Difference, summary
from builder.rebuild.taxonomy import Cause

DIFF_ID = Difference(
    part="layer boss", field="annotation boss-builder.diff-id", stored="sha256:1", rebuilt="sha256:2",
    kind="metadata", cause=Cause.METADATA_ONLY,
)  # fmt: skip
MTIME = Difference(
    part="root", path="/etc", field="mtime", stored="1", rebuilt="2", kind="time", cause=Cause.METADATA_ONLY
)


def content(path: str) -> Difference:
    return Difference(
        part="layer boss", path=path, field="content", stored="1 byte", rebuilt="1 byte", kind="content",
        cause=Cause.CONTENT_DIFFERS, detail="first at byte 7",
    )  # fmt: skip


def test_the_gravest_comes_first_and_digests_are_left_out() -> None:
    told = summary(Comparison(cause=Cause.CONTENT_DIFFERS, differences=(DIFF_ID, MTIME, content("/opt/a"))))
    assert told.splitlines() == ["layer boss: /opt/a: content (content)", "root: /etc: mtime (time)"]


def test_what_is_left_out_is_counted() -> None:
    many = tuple(content(f"/opt/{number}") for number in range(10))
    told = summary(Comparison(cause=Cause.CONTENT_DIFFERS, differences=many, truncated=5), most=3)
    assert told.splitlines()[2:] == ["layer boss: /opt/2: content (content)", "and 12 more"]
