"""Take the files of a commit out of a repository of git, as git keeps them.

The repository is fetched into a bare one of our own. Nothing is checked out: what would change bytes on the way
(filters, attributes, ends of lines) or run something (hooks, submodules) is never reached.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from builder.core import process
from builder.core.errors import InputFailure, Problem, WorkFailure
from builder.freeze.mirrors import Mirrors, is_file
from builder.freeze.swhid import Algorithm
from builder.inside.canonical import DIRECTORY, REGULAR, SYMBOLIC_LINK, WHITEOUT, Content, Entry

FETCH_LIMIT = 3600.0
READ_LIMIT = 600.0
SHOWN = 10
"""Paths that are refused at once, at most."""
CONFIGURATION = """\
[safe]
\tdirectory = *
[core]
\thooksPath = /dev/null
[gc]
\tauto = 0
[fetch]
\trecurseSubmodules = false
[http]
\tlowSpeedLimit = 1000
\tlowSpeedTime = 60
"""
"""A mirror's folder can belong to somebody else; a server that stops sending is given up."""
LISTED = re.compile(rb"(\d+) (\w+) ([0-9a-f]+)\t(.+)", re.DOTALL)
HEAD = re.compile(rb"([0-9a-f]+) (\w+) (\d+)\n")
HEAD_LENGTH = 200
MODES = {b"100644": 0o644, b"100755": 0o755, b"120000": 0o777}
SUBMODULE = b"160000"


class Git:
    """A bare repository of our own, and git without the settings of its user."""

    def __init__(self, scratch: Path, mirrors: Mirrors, algorithm: Algorithm = "sha1") -> None:
        """Make it in `scratch`, an empty folder. Raises HostFailure where git is not installed."""
        self._scratch = scratch
        self._mirrors = mirrors
        self._folder = scratch / "repository.git"
        self._configuration = scratch / "configuration"
        self._answers = 0
        self._configuration.write_text(CONFIGURATION, "ascii")
        self.run("init", "--quiet", "--bare", "--template=", f"--object-format={algorithm}", str(self._folder))

    def run(self, *words: str, protocols: str = "", check: bool = True, time_limit: float = READ_LIMIT) -> str:
        """Run git and give what it says; nothing of it where it fails without `check`."""
        done = self._run(words, protocols=protocols, check=check, time_limit=time_limit)
        return done.stdout if done.returncode == 0 else ""

    def _run(
        self,
        words: tuple[str, ...],
        *,
        protocols: str = "",
        check: bool = True,
        time_limit: float = READ_LIMIT,
        stdin: bytes = b"",
        log_file: Path | None = None,
    ) -> process.Finished:
        return process.run(
            ["git", f"--git-dir={self._folder}", *words],
            time_limit=time_limit,
            check=check,
            cwd=self._scratch,
            environment={
                "GIT_ALLOW_PROTOCOL": protocols,
                "GIT_CONFIG_GLOBAL": str(self._configuration),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_NO_REPLACE_OBJECTS": "1",
                "GIT_TERMINAL_PROMPT": "0",
                "LC_ALL": "C",
            },
            unset=[name for name in os.environ if name.startswith(("GIT_", "SSH_ASKPASS"))],
            stdin=stdin,
            log_file=log_file,
        )

    def bytes_of(self, *words: str, stdin: bytes = b"") -> Path:
        """Run git and give the file of what it says, byte for byte."""
        self._answers += 1
        answer = self._scratch / f"answer-{self._answers}"
        self._run(words, stdin=stdin, log_file=answer)
        return answer

    def ask(self, url: str, *words: str, time_limit: float = FETCH_LIMIT) -> process.Finished:
        """Let a command of git that ends with an address talk to it, or to its mirror; gives what came of it.

        `words` are the command, then `{}` in the place of the address.
        """
        address = self._mirrors.of(url)
        protocols = "file" if is_file(address) else "http:https"
        given = tuple(address if word == "{}" else word for word in words)
        return self._run(given, protocols=protocols, check=False, time_limit=time_limit)

    def fetch(self, url: str, commit: str) -> None:
        """Fetch a commit: alone where the server gives it so, else with all that the repository has.

        Raises InputFailure where the repository has no such commit, WorkFailure where it can not be fetched.
        """
        self.ask(url, "fetch", "--quiet", "--no-tags", "--depth=1", "{}", commit)
        if not self.has_commit(commit):
            done = self.ask(url, "fetch", "--quiet", "--no-tags", "{}", "+refs/*:refs/*")
            if done.returncode != 0:
                raise WorkFailure(
                    f"{self._mirrors.shown(url)} could not be fetched: {last_words(done)}",
                    hint="is it a repository of git, and is it there for everybody?",
                )
        if not self.has_commit(commit):
            raise InputFailure(
                f"{self._mirrors.shown(url)} has no commit {commit}",
                hint="was its history rewritten? a copy of the repository that has it can stand in: --mirror FROM=TO",
            )

    def has_commit(self, commit: str) -> bool:
        """Whether a commit has been fetched."""
        return self.run("cat-file", "-t", commit, check=False).strip() == "commit"


def last_words(done: process.Finished) -> str:
    """Give the line that says why git failed."""
    lines = done.stderr.splitlines()
    said = (line for start in ("fatal:", "error:", "remote:") for line in lines if line.startswith(start))
    return next(said, f"git ended with {done.returncode}")


@dataclass(frozen=True)
class _Listed:
    path: bytes
    mode: bytes
    name: str
    """Of the object, in hexadecimal."""


def tree_name(git: Git, commit: str, path: str) -> str:
    """Give git's name of the tree of a commit's folder. Raises InputFailure where there is none."""
    place = f"{commit}:{path}"
    if git.run("cat-file", "-t", place, check=False).strip() != "tree":
        raise InputFailure(f"the commit {commit} has no folder {path!r}", hint="correct `path`, or leave it out")
    return git.run("rev-parse", "--verify", place).strip()


def read_tree(git: Git, commit: str, path: str, mtime: int) -> Iterator[Content]:
    """Yield the files of a fetched commit, or of a folder of it, in canonical order: owner root, modes 0755 and 0644.

    Raises InputFailure for what no image could hold: submodules, paths that climb, unusual modes.
    """
    listed = _listed(git, f"{commit}:{path}")
    answer = git.bytes_of("cat-file", "--batch", stdin="".join(f"{one.name}\n" for one in listed).encode())
    entries: dict[bytes, Content] = {}
    with answer.open("rb") as stream:
        for one in listed:
            start, size = _head(stream, one)
            for number in range(1, one.path.count(b"/") + 1):
                folder = b"/".join(one.path.split(b"/")[:number])
                entries.setdefault(folder, (Entry(folder, DIRECTORY, 0o755, 0, 0, mtime), None))
            entries[one.path] = _content(one, answer, start, size, mtime)
            stream.seek(start + size + 1)
    yield from (entries[name] for name in sorted(entries))


def _listed(git: Git, place: str) -> list[_Listed]:
    listed, problems = [], []
    for line in git.bytes_of("ls-tree", "-r", "-z", "--full-tree", place).read_bytes().split(b"\0"):
        if not line:
            continue
        match = LISTED.fullmatch(line)
        if match is None:
            raise WorkFailure(f"git lists {place} in an unknown way: {line[:80]!r}")
        mode, _, name, path = match.groups()
        problem = _problem(mode, path)
        if problem is not None:
            problems.append(problem)
        listed.append(_Listed(path, mode, name.decode()))
    if problems:
        raise InputFailure(*problems[:SHOWN])
    if len({one.path for one in listed}) < len(listed):
        raise InputFailure(f"{place} lists one path twice", hint="the repository is damaged, or made to do harm")
    return listed


def _problem(mode: bytes, path: bytes) -> Problem | None:
    shown = os.fsdecode(path)
    parts = path.split(b"/")
    if mode == SUBMODULE:
        return Problem(
            f"{shown} is a submodule, a commit of another repository",
            hint="name that repository as a source of its own, with the path that it has here",
        )
    if mode not in MODES:
        return Problem(f"{shown} has the mode {mode.decode()}", hint=f"known: {', '.join(map(bytes.decode, MODES))}")
    if any(part in {b"", b".", b".."} or part.lower() == b".git" for part in parts):
        return Problem(f"the path {shown!r} leads out of the repository", hint="nobody makes such a thing by accident")
    if any(part.startswith(WHITEOUT) for part in parts) or parts[0] == b".boss-builder":
        return Problem(
            f"the name {shown!r} has a meaning in images, and can not be put into one",
            hint="`path` can name a folder without it",
        )
    return None


def _head(stream: IO[bytes], one: _Listed) -> tuple[int, int]:
    """Read what stands before an object; gives where it begins and its size."""
    place = stream.tell()
    match = HEAD.match(stream.read(HEAD_LENGTH))
    if match is None or match.group(1) != one.name.encode() or match.group(2) != b"blob":
        raise WorkFailure(f"git gives something else than the file {os.fsdecode(one.path)}")
    return place + match.end(), int(match.group(3))


def _content(one: _Listed, answer: Path, start: int, size: int, mtime: int) -> Content:
    mode = MODES[one.mode]
    if one.mode == b"120000":
        return Entry(one.path, SYMBOLIC_LINK, mode, 0, 0, mtime, link=_part(answer, start, size)), None
    entry = Entry(one.path, REGULAR, mode, 0, 0, mtime, size=size)
    return entry, lambda: io.BytesIO(_part(answer, start, size))


def _part(path: Path, start: int, size: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(start)
        return stream.read(size)
