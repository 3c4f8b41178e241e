"""The canonical form: the same tree gives the same bytes, and nothing that matters is lost."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builder.inside import canonical
from builder.inside.canonical import Entry, HashingWriter, merge, walk, walk_source, write_tar

EPOCH = 1_000_000_000


def packed(contents) -> bytes:
    sink = io.BytesIO()
    write_tar(contents, sink)
    return sink.getvalue()


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {m.name: m for m in archive}


def layer(*items: tuple[str, str, dict]) -> tarfile.TarFile:
    """Make a layer as Docker would: (path, content or link target, attributes of TarInfo)."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content, attributes in items:
            info = tarfile.TarInfo(path)
            for name, value in attributes.items():
                setattr(info, name, value)
            if info.isreg():
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content.encode()))
            else:
                info.linkname = content
                archive.addfile(info)
    return tarfile.open(fileobj=io.BytesIO(sink.getvalue()))


HARD = {"type": tarfile.LNKTYPE}


def contents(data: bytes) -> dict[str, bytes]:
    """What is read from each name."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive}


def make_tree(top: Path) -> None:
    (top / "b").mkdir()
    (top / "b" / "file").write_text("hello")
    (top / "a").write_text("x" * 1000)
    os.link(top / "a", top / "z")
    (top / "link").symlink_to("b/file")
    (top / ("long" * 40)).write_text("long name")
    (top / "ümlaut").write_text("not ASCII")


def test_order_of_creation_and_the_time_of_day_do_not_matter(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    make_tree(one)
    (two / "ümlaut").write_text("not ASCII")
    (two / "z").write_text("x" * 1000)
    os.link(two / "z", two / "a")
    (two / ("long" * 40)).write_text("long name")
    (two / "link").symlink_to("b/file")
    (two / "b").mkdir()
    (two / "b" / "file").write_text("hello")
    assert packed(walk(one, EPOCH)) == packed(walk(two, EPOCH))


def test_a_tree_survives_the_way_through_gnu_tar(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    make_tree(source)
    (tmp_path / "tree.tar").write_bytes(packed(walk(source, EPOCH)))
    subprocess.run(["tar", "-xf", tmp_path / "tree.tar", "-C", target], check=True)
    assert subprocess.run(["diff", "-r", source, target], check=False).returncode == 0
    assert (target / "a").stat().st_ino == (target / "z").stat().st_ino
    assert (target / "a").stat().st_mtime == EPOCH


def test_older_times_stay_and_newer_ones_are_clamped(tmp_path):
    for name, when in (("old", EPOCH - 5), ("new", EPOCH + 5)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (when, when))
    found = members(packed(walk(tmp_path, EPOCH)))
    assert (found["old"].mtime, found["new"].mtime) == (EPOCH - 5, EPOCH)


def test_a_file_that_grows_while_it_is_read_is_an_error(tmp_path):
    (tmp_path / "file").write_text("abc")
    contents = list(walk(tmp_path, EPOCH))
    (tmp_path / "file").write_text("abcdef")
    with pytest.raises(ValueError, match="changed its size"):
        packed(contents)


def test_umask_and_owner_of_a_checkout_do_not_matter(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, mode in ((one, 0o700), (two, 0o775)):
        folder.mkdir()
        (folder / "sub").mkdir(mode=mode)
        (folder / "sub" / "script").write_text("#!/bin/sh\n")
        (folder / "sub" / "script").chmod(mode)
        (folder / "sub" / "text").write_text("text")
        (folder / "sub" / "text").chmod(mode & 0o666)
    assert packed(walk_source(one, EPOCH)) == packed(walk_source(two, EPOCH))
    found = members(packed(walk_source(one, EPOCH)))
    assert [found[n].mode for n in ("sub", "sub/script", "sub/text")] == [0o755, 0o755, 0o644]


def test_an_extended_attribute_that_is_not_utf8_keeps_its_bytes_and_leaves_the_paths_alone():
    value = b"\x01\x00\x00\x02\xff\xfe=\n"
    entry = Entry("ü".encode(), canonical.REGULAR, 0o644, 0, 0, 0, attributes=((b"security.capability", value),))
    found = members(packed([(entry, io.BytesIO)]))
    assert list(found) == ["ü"]
    stored = found["ü"].pax_headers["SCHILY.xattr.security.capability"]
    assert stored.encode("utf-8", "surrogateescape") == value
    assert "hdrcharset" not in found["ü"].pax_headers


def test_a_later_layer_replaces_and_a_whiteout_removes():
    first = layer(("etc", "", {"type": tarfile.DIRTYPE}), ("etc/a", "one", {}), ("etc/b", "gone", {}))
    second = layer(("etc/a", "two", {}), ("etc/.wh.b", "", {"mode": 0o755, "mtime": 5}))
    found = members(packed(merge([first, second], EPOCH, b".inputs")))
    assert sorted(found) == ["etc", "etc/.wh.b", "etc/a"]
    assert found["etc/.wh.b"].mode == 0
    assert found["etc/a"].size == 3


def test_what_brought_the_inputs_is_left_out_and_a_file_made_again_is_no_whiteout():
    first = layer((".inputs", "", {"type": tarfile.DIRTYPE}), (".inputs/x", "x", {}), (".wh.opt", "", {}))
    second = layer((".wh..inputs", "", {}), ("opt", "", {"type": tarfile.DIRTYPE, "mode": 0o40755}))
    found = members(packed(merge([first, second], EPOCH, b".inputs")))
    assert "opt" in found
    assert found["opt"].mode == 0o755
    assert not [name for name in found if "inputs" in name]
    assert ".wh.opt" not in found


def test_the_first_name_in_order_leads_a_group_of_hard_links():
    tree = layer(("m", "data", {}), ("z", "m", {"type": tarfile.LNKTYPE}), ("a", "m", {"type": tarfile.LNKTYPE}))
    found = members(packed(merge([tree], EPOCH, b".inputs")))
    assert found["a"].isreg()
    assert (found["m"].linkname, found["z"].linkname) == ("a", "a")


def test_what_a_layer_only_repeats_keeps_the_time_that_it_has_below():
    """As in a chain of raw layers: the build below ended at 50, its canonical layer says 10."""
    times = {}
    below = layer(("etc", "", {"type": tarfile.DIRTYPE, "mtime": 50}), ("etc/a", "a", {"mtime": 50, "mode": 0o600}))
    assert {m.mtime for m in members(packed(merge([below], 10, b".inputs", times))).values()} == {10}
    above = layer(
        ("etc", "", {"type": tarfile.DIRTYPE, "mtime": 50}),
        ("etc/a", "a", {"mtime": 50, "mode": 0o644}),
        ("etc/b", "b", {"mtime": 51}),
    )
    found = members(packed(merge([above], 20, b".inputs", times)))
    assert {name: member.mtime for name, member in found.items()} == {"etc": 10, "etc/a": 10, "etc/b": 20}
    again = layer(
        ("etc", "", {"type": tarfile.DIRTYPE, "mtime": 10}),
        ("etc/a", "a", {"mtime": 10, "mode": 0o644}),
        ("etc/b", "b", {"mtime": 99}),
    )
    assert packed(merge([again], 20, b".inputs")) == packed(merge([above], 20, b".inputs", times))


def test_a_later_layer_that_replaces_a_name_leaves_the_other_names_of_the_file_as_they_were():
    lower = layer(("a", "old", {}), ("b", "a", HARD), ("c", "a", HARD))
    with lower, layer(("a", "new", {})) as upper:
        data = packed(merge([lower, upper], EPOCH, b".scratch"))
    assert contents(data) == {"a": b"new", "b": b"old", "c": b"old"}
    assert members(data)["c"].linkname == "b"


def test_a_later_layer_that_takes_a_name_away_leaves_the_other_names_of_the_file():
    lower = layer(("a", "old", {}), ("b", "a", HARD))
    with lower, layer((".wh.a", "", {})) as upper:
        data = packed(merge([lower, upper], EPOCH, b".scratch"))
    assert contents(data) == {".wh.a": b"", "b": b"old"}
    assert members(data)["b"].isreg()


def test_a_link_of_a_later_layer_is_to_what_is_there_now():
    lower = layer(("a", "old", {}), ("b", "a", HARD))
    with lower, layer(("a", "new", {}), ("c", "a", HARD)) as upper:
        data = packed(merge([lower, upper], EPOCH, b".scratch"))
    assert contents(data) == {"a": b"new", "b": b"old", "c": b"new"}
    assert members(data)["b"].isreg()
    assert members(data)["c"].linkname == "a"


def test_a_hard_link_out_of_the_stage_is_refused():
    with pytest.raises(ValueError, match="points outside its stage"):
        merge([layer(("a", "not/here", {"type": tarfile.LNKTYPE}))], EPOCH, b".inputs")


def test_a_file_in_the_place_of_a_folder_takes_its_contents_away():
    first = layer(("d", "", {"type": tarfile.DIRTYPE}), ("d/x", "x", {}))
    second = layer(("d", "now a file", {}))
    assert sorted(members(packed(merge([first, second], EPOCH, b".inputs")))) == ["d"]


names = st.binary(min_size=1, max_size=160).filter(lambda n: not {0, 47} & set(n) and n not in (b".", b".."))


@given(
    name=names,
    mode=st.integers(0, 0o7777),
    owner=st.integers(0, 2**31),
    when=st.integers(-(2**33), 2**33),
    data=st.binary(max_size=1200),
    attributes=st.dictionaries(st.just(b"user.x"), st.binary(max_size=300)),
)
@example(name=b"late", mode=0, owner=0, when=8**11, data=b"", attributes={})
def test_whatever_an_entry_holds_tarfile_reads_back(name, mode, owner, when, data, attributes):
    entry = Entry(name, canonical.REGULAR, mode, owner, owner, when, len(data), attributes=tuple(attributes.items()))
    written = packed([(entry, lambda: io.BytesIO(data))])
    assert len(written) % 10240 == 0
    with tarfile.open(fileobj=io.BytesIO(written)) as archive:
        (member,) = archive.getmembers()
        content = archive.extractfile(member).read()
    assert member.name.encode("utf-8", "surrogateescape") == name.rstrip(b"/")
    assert (member.mode, member.uid, member.gid, int(member.mtime)) == (mode, owner, owner, when)
    assert content == data
    read = {k: v.encode("utf-8", "surrogateescape") for k, v in member.pax_headers.items() if "xattr" in k}
    assert read == {f"SCHILY.xattr.{k.decode()}": v for k, v in attributes.items()}


@given(st.lists(st.binary(max_size=100)))
def test_the_hashing_writer_gives_the_digest_of_what_it_passed_on(pieces):
    sink = io.BytesIO()
    writer = HashingWriter(sink)
    for piece in pieces:
        writer.write(piece)
    import hashlib

    assert writer.digest == "sha256:" + hashlib.sha256(sink.getvalue()).hexdigest()
    assert writer.size == len(sink.getvalue())
