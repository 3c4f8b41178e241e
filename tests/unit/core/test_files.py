"""Files written whole or not at all, and what the host does not give in words."""

import errno
import os

import pytest

from builder.core.errors import ExitCode
from builder.core.files import as_failure, atomic_writer, remove_unfinished, write_atomically


def test_nothing_is_left_of_a_writer_that_fails(tmp_path):
    write_atomically(tmp_path / "file", b"old")
    with pytest.raises(TypeError), atomic_writer(tmp_path / "file") as stream:
        stream.writelines([b"new", "no bytes"])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"old"}


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    for name in (".file.0123456789ab.tmp", "file", ".file", "file.tmp", ".other.0123456789ab.tmp"):
        (tmp_path / name).write_text("")
    remove_unfinished(tmp_path / "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".file", ".other.0123456789ab.tmp", "file", "file.tmp"]


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (errno.ENOSPC, ExitCode.UNFINISHED, "no space is left (a/file)"),
        (errno.EDQUOT, ExitCode.UNFINISHED, "no space is left (a/file)"),
        (errno.EIO, ExitCode.UNFINISHED, "the disk errs (a/file): Input/output error"),
        (errno.EROFS, ExitCode.HOST, "the host does not allow it (a/file): Read-only file system"),
        (errno.EACCES, ExitCode.HOST, "the host does not allow it (a/file): Permission denied"),
        (errno.EMFILE, ExitCode.HOST, "the host gives no more (a/file): Too many open files"),
    ],
)
def test_what_the_host_does_not_give_is_told_in_words(number, code, said):
    told = as_failure(OSError(number, os.strerror(number), "a/file"))
    assert told is not None
    assert (told.exit_code, told.problems[0].message) == (code, said)
    assert told.problems[0].hint


@pytest.mark.parametrize("number", [errno.EBADF, errno.EINVAL, errno.ENOENT])
def test_what_is_a_fault_of_ours_is_not_excused(number):
    assert as_failure(OSError(number, os.strerror(number))) is None
