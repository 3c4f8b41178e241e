"""A new recipe to start from: a folder of files that pass `check` at once."""

from __future__ import annotations

import re
import shutil
import tempfile
from datetime import date
from pathlib import Path

from builder.core.errors import InputFailure
from builder.core.templates import text_environment
from builder.recipe.fields import NAME
from builder.recipe.find import FILE_NAME
from builder.recipe.layout import formatted

_FILES = {
    "recipe.hcl.j2": FILE_NAME,
    "site.pp.j2": "puppet/site.pp",
    "test_release.py.j2": "validation/test_release.py",
    "release-notes.md.j2": "documents/release-notes.md",
}
"""Template to file, relative to the recipe's folder."""


def name_and_version(folder: str) -> tuple[str, str]:
    """Split a folder's name into a release's name and version: `boss-6.6.4.p03` is `boss` and `6.6.4.p03`.

    The version begins at the first digit after a hyphen; without one it is 1.0.0.
    """
    found = re.fullmatch(r"(.+?)-([0-9].*)", folder)
    return (found.group(1), found.group(2)) if found else (folder, "1.0.0")


def start(folder: Path, name: str, version: str, today: date) -> tuple[Path, ...]:
    """Write a recipe for release `name` `version` into the new folder `folder`; give the files that were written.

    The folder appears with everything in it, or not at all. Raises InputFailure where it exists, where its parent does
    not, or where name or version are not names.
    """
    for word, what in ((name, "name"), (version, "version")):
        if not re.fullmatch(NAME, word):
            raise InputFailure(
                f'"{word}" cannot be the {what} of a release', hint="allowed: letters, digits and . _ + -"
            )
    if folder.exists() or folder.is_symlink():
        raise InputFailure(f"{folder} exists already", hint="choose another name, or remove it first")
    texts = {target: _filled(template, name, version, today) for template, target in _FILES.items()}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            for target, text in texts.items():
                path = temporary / target
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, "utf-8")
            temporary.chmod(0o755)
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary)
            raise
    except OSError as error:
        raise InputFailure(f"{folder} cannot be written: {error.strerror}") from error
    return tuple(folder / target for target in texts)


def _filled(template: str, name: str, version: str, today: date) -> str:
    filled = text_environment().get_template(f"recipe/{template}")
    text = filled.render(name=name, version=version, today=today.isoformat())
    return formatted(text.encode(), template).decode() if _FILES[template] == FILE_NAME else text
