"""Unpacking never leaves the folder."""

import io
import tarfile
from pathlib import Path

import pytest

from builder.core.archives import extract


def tar(*items: tuple[str, str, dict]) -> tarfile.TarFile:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
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


LINK = {"type": tarfile.SYMTYPE}
HARD = {"type": tarfile.LNKTYPE}
FOLDER = {"type": tarfile.DIRTYPE}


def test_files_folders_and_links_come_out_with_modes_and_times(tmp_path):
    extract(
        tar(
            ("d", "", FOLDER | {"mode": 0o555, "mtime": 7}),
            ("d/file", "text", {"mode": 0o4751, "mtime": 9}),
            ("d/link", "file", LINK),
            ("hard", "d/file", HARD),
            ("made/for/it", "x", {}),
        ),
        tmp_path,
    )
    file = tmp_path / "d" / "file"
    assert (file.read_text(), oct(file.stat().st_mode & 0o7777), file.stat().st_mtime) == ("text", "0o751", 9)
    assert (tmp_path / "d" / "link").readlink() == Path("file")
    assert (tmp_path / "hard").stat().st_ino == file.stat().st_ino
    assert ((tmp_path / "d").stat().st_mode & 0o777, (tmp_path / "d").stat().st_mtime) == (0o555, 7)
    assert (tmp_path / "made/for/it").exists()


@pytest.mark.parametrize(
    "items",
    [
        [("../out", "x", {})],
        [("a/../../out", "x", {})],
        [("link", "/etc", LINK)],
        [("link", "../out", LINK)],
        [("d", "", FOLDER), ("d/link", "../../out", LINK)],
        [("hard", "../out", HARD)],
        [("device", "", {"type": tarfile.CHRTYPE})],
        [("pipe", "", {"type": tarfile.FIFOTYPE})],
    ],
)
def test_what_leads_out_is_refused_and_nothing_is_written_outside(tmp_path, items):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match=r"leads|device"):
        extract(tar(*items), folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "out"]
    assert list((tmp_path / "out").iterdir()) == []


def test_a_path_through_a_link_that_was_there_is_refused(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "out").mkdir()
    (folder / "link").symlink_to(tmp_path / "out")
    with pytest.raises(ValueError, match="leads through a link"):
        extract(tar(("link/file", "x", {})), folder)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_name_twice_is_no_way_to_write_through_a_link(tmp_path):
    with pytest.raises(OSError, match="exists"):
        extract(tar(("a", "inner", LINK), ("a", "x", {})), tmp_path)


def test_an_absolute_path_stays_below(tmp_path):
    extract(tar(("/etc/file", "x", {})), tmp_path)
    assert (tmp_path / "etc" / "file").read_text() == "x"
