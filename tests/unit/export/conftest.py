"""What the tests of exports share."""

from pathlib import Path

import pytest

from builder.store.shapes import SHAPES
from builder.store.store import Store
from tests.unit.export.release import Site, frozen


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The release frozen, and not built."""
    return frozen(Store(tmp_path / "images"))


@pytest.fixture
def built(site: Site) -> Site:
    """The release built in every shape."""
    for shape in SHAPES:
        site.put_image(shape)
    return site
