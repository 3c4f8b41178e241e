"""A folder of recipes to work in: a base, a whole release, and whatever a test writes beside them."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def recipes(tmp_path: Any, monkeypatch: Any):
    """Give recipes/ of a new folder, which is the current one, with `el`, `whole-1.0` and broken bases."""
    shutil.copytree(HERE / "recipes", tmp_path / "recipes")
    shutil.copytree(HERE / "bases", tmp_path / "recipes", dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("BOSS_BUILDER_")]:
        monkeypatch.delenv(name)
    return Path("recipes")


@pytest.fixture
def write(recipes: Any):
    """Write recipes/bad/recipe.hcl beside a file, a folder and a link that leads out; give its path."""

    def write(text: str | bytes) -> Path:
        folder = recipes / "bad"
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "file").write_text("a file\n")
        (folder / "link-out").symlink_to("../el/puppet")
        path = folder / "recipe.hcl"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write
