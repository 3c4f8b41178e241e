"""A tree is named as git names it, whatever lies in it, and as Software Heritage does."""

import os
import random
from pathlib import Path

import pytest

from builder.core.errors import InputFailure
from builder.freeze.swhid import tree_id
from builder.inside.canonical import walk, walk_source
from tests.unit.freeze.repositories_of_git import git


def fill(folder: Path) -> None:
    """Files whose names git sorts in its own way, and fifty with any bytes in them."""
    for name in ("a", "a.b", "a-b", "B"):
        (folder / name / "deep").mkdir(parents=True)
        (folder / name / "deep" / "file").write_text(name)
    (folder / "a0").write_text("x")
    os.link(folder / "a0", folder / "other-name")
    (folder / "program").write_text("#!/bin/sh\n")
    (folder / "program").chmod(0o700)
    (folder / "link").symlink_to(os.fsdecode(b"nowhere/\xff"))
    (folder / "nothing" / "at all").mkdir(parents=True)
    chance = random.Random(20)
    letters = bytes(set(range(1, 256)) - {ord("/")})
    for number in range(50):
        name = bytes(chance.choices(letters, k=chance.randint(1, 9))) + b"%d" % number
        (folder / "a" / os.fsdecode(name)).write_bytes(chance.randbytes(chance.choice([0, 1, 70_000])))


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_tree_is_named_as_git_names_it(tmp_path, algorithm):
    fill(tmp_path)
    named = tree_id(walk_source(tmp_path, 0), algorithm)
    git(tmp_path, "init", "--quiet", f"--object-format={algorithm}")
    (tmp_path / ".git" / "info" / "attributes").write_text("* -text\n")
    git(tmp_path, "add", "--all", "--force")
    assert named == git(tmp_path, "write-tree")


def test_the_empty_tree_is_the_one_that_everybody_knows():
    assert tree_id(()) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def test_a_pipe_is_nothing_that_git_can_hold(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputFailure, match="pipe is no file, link or folder"):
        tree_id(walk(tmp_path, 0))
