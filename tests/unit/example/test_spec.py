"""From Debian's notation to RPM's: versions, relations, paths, file lists."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from example.upstream import packages
from example.upstream.deb import Control, parse_fields
from example.upstream.packages import Repair
from example.upstream.spec import (
    Entry,
    Kind,
    Listing,
    files_line,
    merged_path,
    quoted_path,
    relations,
    rpm_version,
    spec_text,
)

CONTROL = Control(
    name="hello",
    version="1:2.10-3+b1",
    architecture="amd64",
    summary="100% friendly",
    depends="libc6 (>= 2.34), dpkg (>= 1.15.4) | install-info",
    provides="greeting (= 2)",
    conffiles=frozenset({"/etc/hello"}),
)


@pytest.mark.parametrize(
    ("debian", "rpm"),
    [
        ("1.0", "1.0-0"),
        ("1.0-1", "1.0-1"),
        ("2:6.2.1+dfsg1-1.1", "2:6.2.1+dfsg1-1.1"),
        ("1.14.10-1~deb12u1", "1.14.10-1~deb12u1"),
        ("3.0-rc1-2", "3.0.rc1-2"),
    ],
)
def test_a_version_keeps_its_order_in_rpm(debian: str, rpm: str) -> None:
    assert str(rpm_version(debian)) == rpm


@given(st.from_regex(r"([0-9]:)?[0-9]([A-Za-z0-9.+~-]{0,20}[A-Za-z0-9+~])?", fullmatch=True))
def test_any_version_becomes_one_that_rpm_allows(text: str) -> None:
    version = rpm_version(text)
    assert "-" not in version.version + version.release
    assert version.release
    assert version.epoch == "" or version.epoch.isdigit()


@pytest.mark.parametrize(
    ("debian", "rpm"),
    [
        ("libc6 (>= 2.34), zlib1g", ("libc6 >= 2.34", "zlib1g")),
        ("python3:any (<< 3.12)", ("python3 < 3.12",)),
        ("bash (= 5.2-2)", ("bash = 5.2-2",)),
        ("a (>> 2.36)", ("a >= 2.36",)),
        ("a (>> 2.36-1)", ("a > 2.36-1",)),
        ("a | b (>= 1:2)", ("(a or b >= 1:2)",)),
        ("dpkg (>= 1.15) | install-info, kmod", ("kmod",)),
        ("a,\n b", ("a", "b")),
        ("a, a", ("a",)),
        ("", ()),
    ],
)
def test_relations_are_spelt_as_rpm_spells_them(debian: str, rpm: tuple[str, ...]) -> None:
    assert relations(debian, packages.ASSUMED) == rpm


@pytest.mark.parametrize("text", ["libc6 (~ 2)", "libc6 >= 2", "(>= 2)", "a | "])
def test_what_is_no_relation_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a relation"):
        relations(text, ())


@pytest.mark.parametrize(
    ("path", "merged"),
    [
        ("/bin/sh", "/usr/bin/sh"),
        ("/lib", "/usr/lib"),
        ("/lib64/ld-linux-x86-64.so.2", "/usr/lib64/ld-linux-x86-64.so.2"),
        ("/library/x", "/library/x"),
        ("/usr/bin/sh", "/usr/bin/sh"),
    ],
)
def test_the_old_directories_lie_below_usr(path: str, merged: str) -> None:
    assert merged_path(path) == merged
    assert merged_path(merged) == merged


def test_wild_cards_macros_and_blanks_are_quoted() -> None:
    assert quoted_path("/usr/bin/[") == "/usr/bin/[[]"
    assert quoted_path("/a%b") == "/a%%b"
    assert quoted_path("/a b") == '"/a b"'


def test_a_line_of_files_carries_mode_owners_and_kind() -> None:
    assert files_line(Entry("/bin/su", Kind.FILE, 0o4755)) == "%attr(4755,root,root) /bin/su"
    assert files_line(Entry("/d", Kind.DIRECTORY, 0o2775, "root", "mail")) == "%dir %attr(2775,root,mail) /d"
    assert files_line(Entry("/etc/x", Kind.FILE, 0o644, is_config=True)).startswith("%config(noreplace) %attr")
    assert files_line(Entry("/l", Kind.LINK, 0o777)) == "/l"


def test_rpm_reads_the_spec_as_it_was_meant(tmp_path: Path) -> None:
    spec = tmp_path / "hello.spec"
    listing = Listing((Entry("/usr/bin/hello", Kind.FILE),), ("/bin/hello",))
    spec.write_text(spec_text(CONTROL, listing, Repair(tags=("Provides: extra",)), packages.ASSUMED))
    query = "%{NEVRA}|%{SUMMARY}|[%{REQUIRES} ]|[%{PROVIDES} ]"
    words: list[str | Path] = ["rpmspec", "-q", "--queryformat", query, spec]
    said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    name, summary, requires, provides = said.split("|")
    assert name == "hello-1:2.10-3+b1.x86_64"
    assert summary == "100% friendly"
    assert set(requires.split()) == {"filesystem", "setup", "libc6"}
    assert {"greeting", "/bin/hello", "extra"} <= set(provides.split())


def test_a_stanza_is_read_with_its_continued_lines() -> None:
    assert parse_fields("Package: a\nDescription: b\n c\n .\n") == {"Package": "a", "Description": "b\nc\n."}


@pytest.mark.parametrize(
    ("path", "dropped"),
    [
        ("/usr/share/man/man1/ls.1.gz", True),
        ("/usr/share/man", True),
        ("/usr/share/manual", False),
        ("/usr/share/doc/bash/README", True),
        ("/usr/share/doc/bash/copyright", False),
        ("/usr/share/doc/bash", False),
        ("/etc/init.d/ssh", True),
        ("/etc/default/ssh", False),
        ("/usr/share/locale/de/LC_MESSAGES/x.mo", True),
    ],
)
def test_manuals_go_and_licences_stay(path: str, *, dropped: bool) -> None:
    assert bool(packages.DROPPED_PATH.search(path)) is dropped


def test_every_directory_of_filesystem_has_its_parents_in_it() -> None:
    for path in packages.DIRECTORIES:
        parent = str(Path(path).parent)
        assert parent == "/" or parent in packages.DIRECTORIES or path.startswith("/usr/share/doc"), path
