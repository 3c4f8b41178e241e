"""Paths that a recipe names: inside its own folder, and there."""

from __future__ import annotations

import posixpath
from pathlib import Path

import msgspec

from builder.core.errors import Location, Problem
from builder.recipe.fields import FILE_PATH, FileRef
from builder.recipe.language import PathKind
from builder.recipe.text import pattern_problem

_COPY = "put a copy into the folder"


class Source(msgspec.Struct, frozen=True):
    """A recipe's file as messages name it, and the folder that its paths are relative to."""

    shown: str
    path: Path
    """Absolute."""

    @property
    def folder(self) -> Path:
        """The recipe's folder, absolute."""
        return self.path.parent


def file_ref(text: str, kind: PathKind, source: Source, what: str, at: Location) -> FileRef | Problem:
    """Turn a path that a recipe says into a FileRef, or say what is wrong with it.

    Looks at the disk: the path must exist, have the right shape, and not lead out of the folder, not even by a link.
    """
    path = posixpath.normpath(text)
    problem = _written_badly(text, path, what, at)
    if problem:
        return problem
    try:
        real = (source.folder / path).resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError):
        return Problem(f'there is no {kind.shape} "{text}"', f"{what} is relative to {_shown_folder(source)}", at)
    except (OSError, RuntimeError):
        return Problem(f'"{text}" cannot be read', "look at its permissions and links", at)
    if not real.is_relative_to(source.folder.resolve()):
        return Problem(f'{what} leaves the recipe\'s folder through a link: "{text}"', _COPY, at)
    if not (real.is_file() if kind.shape == "file" else real.is_dir()):
        return Problem(f'"{text}" is not a {kind.shape}', f"{what} must be a {kind.shape}", at)
    return FileRef(recipe=source.folder.name, path=path)


def _written_badly(text: str, path: str, what: str, at: Location) -> Problem | None:
    problem = pattern_problem(text, FILE_PATH, "letters, digits and . _ + , : = @ ~ - /", what, at)
    if problem:
        return problem
    if text.startswith("/"):
        return Problem(f'{what} is the absolute path "{text}"', "write it relative to the recipe's folder", at)
    if path == ".." or path.startswith("../"):
        return Problem(f'{what} leaves the recipe\'s folder: "{text}"', _COPY, at)
    return None


def _shown_folder(source: Source) -> str:
    return source.shown.rpartition("/")[0] or "the recipe's folder"
