"""What was written for an archive can be taken back: into a new store, with every reference."""

import datetime as dt
from pathlib import Path

import pytest

from builder.audit.copies.bring_in import bring_in
from builder.audit.copies.find import opened_source
from builder.audit.copies.place import Folder
from builder.core.progress import NoProgress
from builder.export.bagit import export_bag, export_volumes
from builder.export.export import export
from builder.export.ocfl import export_ocfl
from builder.store.store import Store
from builder.store.verify import verify
from tests.unit.export.archives import build, files, put_artifact, run_blocks
from tests.unit.export.release import RELEASE, Site

NOW = dt.datetime(2040, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def release(site) -> Site:
    build(site)
    for name in (f"receipt/{RELEASE}/0123", f"signature/{RELEASE}/0123", f"results/{RELEASE}/oci"):
        put_artifact(site.store, name, name.encode() * 20_000)
    return site


def bag(site: Site, folder: Path) -> Path:
    export_bag(site.lock, site.store, folder / "bag", NoProgress())
    return folder / "bag"


def volumes(site: Site, folder: Path) -> Path:
    done = export_volumes(site.lock, site.store, folder / "volumes", NoProgress(), volume_size=450_000)
    assert len(done.bags) > 1
    run_blocks(folder / "volumes" / "volume-001" / "HOWTO.md", folder, "layout", group=folder / "volumes")
    return folder / "layout"


def an_object(site: Site, folder: Path) -> Path:
    export_ocfl(site.lock, site.store, folder / "ocfl", NoProgress())
    site.put_evidence("oci", site.store.references()[RELEASE], "PASSED")
    export_ocfl(site.lock, site.store, folder / "ocfl", NoProgress())
    return folder / "ocfl" / RELEASE


@pytest.mark.parametrize("form", [bag, volumes, an_object], ids=lambda form: form.__name__)
def test_an_empty_store_gets_all_of_a_release_back(release, tmp_path, form):
    source = form(release, tmp_path)
    again = Store(tmp_path / "again")
    with opened_source(str(source), again, NoProgress()) as opened:
        bring_in(opened, Folder(again, NOW), (), NoProgress())
    assert verify(again) == ()
    assert again.references() == release.store.references()
    for name, store in (("one", release.store), ("two", again)):
        export(release.lock, store, tmp_path / name, shapes=(), with_inputs=True, progress=NoProgress())
    assert files(tmp_path / "one") == files(tmp_path / "two")
