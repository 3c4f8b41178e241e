"""A new recipe to start from: a folder of files that pass `check` at once."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from builder.core.errors import InputFailure, Problem
from builder.core.templates import text_environment
from builder.recipe.fields import NAME
from builder.recipe.find import FILE_NAME, hint_for
from builder.recipe.layout import formatted
from builder.recipe.load import ToSet, examine
from builder.recipe.show import hcl_value

_FILES = {
    "recipe.hcl.j2": FILE_NAME,
    "site.pp.j2": "puppet/site.pp",
    "test_release.py.j2": "validation/test_release.py",
    "release-notes.md.j2": "documents/release-notes.md",
}
"""Template to file, relative to the recipe's folder."""

_EXTENDING = {"extending.hcl.j2": FILE_NAME, "release-notes.md.j2": "documents/release-notes.md"}
"""The same of a recipe that extends another."""


def name_and_version(folder: str) -> tuple[str, str]:
    """Split a folder's name into a release's name and version: `boss-6.6.4.p03` is `boss` and `6.6.4.p03`.

    The version begins at the first digit after a hyphen; without one it is 1.0.0.
    """
    found = re.fullmatch(r"(.+?)-([0-9].*)", folder)
    return (found.group(1), found.group(2)) if found else (folder, "1.0.0")


def start(folder: Path, name: str, version: str, today: date, extends: str | None = None) -> tuple[Path, ...]:
    """Write a recipe for release `name` `version` into the new folder `folder`; give the files that were written.

    With `extends`, the name of a recipe beside the folder, it says what that one leaves to it. The folder appears with
    everything in it, or not at all. Raises InputFailure where it exists, where its parent can not be written, where
    name or version are not names, or where there is nothing to extend, or less than a release needs.
    """
    for word, what in ((name, "name"), (version, "version")):
        if not re.fullmatch(NAME, word):
            raise InputFailure(
                f'"{word}" cannot be the {what} of a release', hint="allowed: letters, digits and . _ + -"
            )
    if folder.exists() or folder.is_symlink():
        raise InputFailure(f"{folder} exists already", hint="choose another name, or remove it first")
    if extends is not None and ("/" in extends or not (folder.parent / extends / FILE_NAME).is_file()):
        raise InputFailure(f'there is no recipe "{extends}" to extend', hint=hint_for(extends, folder.parent))
    said = {"name": name, "version": version, "today": today.isoformat(), "folder": folder.name, "base": extends}
    files = _FILES if extends is None else _EXTENDING
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _write(temporary, files, said | {"to_set": ()})
            if extends is not None:
                _write(temporary, files, said | {"to_set": _left_to_it(temporary, extends)})
            temporary.chmod(0o755)
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary)
            raise
    except OSError as error:
        raise InputFailure(f"{folder} cannot be written: {error.strerror}") from error
    return tuple(folder / target for target in files.values())


def _write(folder: Path, files: Mapping[str, str], said: Mapping[str, object]) -> None:
    environment = text_environment()
    environment.filters.update(hcl=hcl_value, laid_out=_laid_out)
    for template, target in files.items():
        text = environment.get_template(f"recipe/{template}").render(said)
        path = folder / target
        path.parent.mkdir(exist_ok=True)
        path.write_text(_laid_out(text) if target == FILE_NAME else text, "utf-8")


def _laid_out(text: str) -> str:
    return formatted(text.encode(), "template").decode()


def _left_to_it(folder: Path, base: str) -> tuple[ToSet, ...]:
    """Give the variables that a recipe's base leaves to it, wherever the environment sets them."""
    examined = examine(folder / FILE_NAME, {}, {})
    if examined.problems:
        hint = f'without --extends, init writes a whole recipe; then write extends = "{base}" into that'
        message = f"{base} does not suffice for a release that only extends it"
        raise InputFailure(Problem(message, hint), *examined.problems)
    return examined.to_set
