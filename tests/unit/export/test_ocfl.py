"""An OCFL object: valid for ocfl-py, a version for what is new, each blob once, whole at every moment."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import ocfl
import pytest
from ocfl.validator import Validator

from builder.core.digest import Digest
from builder.core.errors import HostFailure, InputFailure, WorkFailure
from builder.core.progress import NoProgress
from builder.export import exchange as exchanging
from builder.export import ocfl as writing
from builder.export.exchange import exchange
from builder.export.ocfl import Archived, export_ocfl
from builder.store.store import Store
from tests.unit.export.archives import (
    Deadly,
    build,
    call,
    files,
    in_child,
    is_whole,
    on_small_file_system,
    put_artifact,
    references,
    run_blocks,
    times,
)
from tests.unit.export.release import RELEASE, Site

EXPECTED_WARNINGS = {"W004", "W005", "W008"}
"""sha256; an id that is no URI; a user without an address."""


@pytest.fixture
def release(site) -> Site:
    build(site)
    return site


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "the archive"


def run(site: Site, root: Path) -> Archived:
    return export_ocfl(site.lock, site.store, root, NoProgress())


def change(site: Site, what: str = "PASSED") -> None:
    """Let there be something new of the release."""
    site.put_evidence("oci", site.store.references()[RELEASE], what)


def is_valid(root: Path) -> bool:
    """Ask ocfl-py, of the root and of each object; nothing but what is expected may be warned of."""
    assert ocfl.StorageRoot(root=str(root)).validate()
    for place in root.iterdir():
        if place.is_dir():
            validator = Validator(log_warnings=True)
            assert validator.validate_object(str(place)), str(validator)
            assert set(validator.log.codes) <= EXPECTED_WARNINGS, str(validator)
    return True


def inventory(root: Path) -> dict:
    return json.loads((root / RELEASE / "inventory.json").read_bytes())


def blobs(root: Path) -> list[str]:
    return [path.name for path in root.rglob("*/blobs/sha256/*")]


def test_a_new_storage_root_is_valid_and_its_first_version_is_a_store(release, root):
    done = run(release, root)
    assert is_valid(root)
    assert (done.version, done.new) == ("v1", True)
    assert is_whole(root / RELEASE / "v1" / "content")
    assert done.files == len(files(root / RELEASE))
    assert done.digest == Digest.of((root / RELEASE / "inventory.json").read_bytes())
    subprocess.run(["sha256sum", "--check", "--strict", "inventory.json.sha256"], cwd=root / RELEASE, check=True)


def test_two_exports_are_equal_and_bear_the_date_of_the_release(release, tmp_path):
    for name in ("one", "two"):
        run(release, tmp_path / name)
    change(release)
    for name in ("one", "two"):
        run(release, tmp_path / name)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert times(tmp_path / "one" / RELEASE) == {1583020800}


def test_what_is_new_becomes_a_version_and_every_blob_lies_there_once(release, root):
    run(release, root)
    first = {name: data for name, data in files(root / RELEASE).items() if name.startswith("v1/")}
    before = set(blobs(root))
    change(release)
    done = run(release, root)
    assert is_valid(root)
    assert (done.version, done.new) == ("v2", True)
    after = files(root / RELEASE)
    assert {name: data for name, data in after.items() if name.startswith("v1/")} == first
    assert len(blobs(root)) == len(set(blobs(root))), "no blob lies there twice"
    assert len(set(blobs(root)) - before) == 2, "a manifest, and a summary"
    state = inventory(root)["versions"]["v2"]["state"]
    assert f"blobs/sha256/{Digest(release.store.references()[RELEASE].digest).hex}" in {
        p for s in state.values() for p in s
    }
    assert [path for path in root.rglob("*") if path.is_file() and path.stat().st_nlink > 1] == []
    assert [path.name for path in root.parent.iterdir() if path.name.startswith(".")] == []


def test_where_nothing_is_new_nothing_is_written(release, root):
    first = run(release, root)
    before = {path: path.stat().st_ino for path in root.rglob("*")}
    done = run(release, root)
    assert (done.version, done.new, done.digest) == ("v1", False, first.digest)
    assert {path: path.stat().st_ino for path in root.rglob("*")} == before
    assert sorted(p.name for p in root.parent.iterdir()) == ["images", "the archive"]


def test_what_is_gone_from_the_store_stays_in_the_versions_that_had_it(release, root):
    change(release)
    run(release, root)
    release.store.remove_reference(f"validation/{RELEASE}/oci")
    run(release, root)
    change(release)
    done = run(release, root)
    assert is_valid(root)
    assert done.version == "v3"
    versions = inventory(root)["versions"]
    assert versions["v1"]["state"] == versions["v3"]["state"] != versions["v2"]["state"]


def test_a_second_release_is_an_object_of_its_own(release, root):
    run(release, root)
    (root / RELEASE).rename(root / "other")
    assert run(release, root).version == "v1"
    assert sorted(path.name for path in root.iterdir() if path.is_dir()) == ["other", RELEASE]


def test_md5_is_noted_of_every_file(release, root):
    run(release, root)
    change(release)
    run(release, root)
    noted = {path: digest for digest, paths in inventory(root)["fixity"]["md5"].items() for path in paths}
    content = [name for name in files(root / RELEASE) if "/content/" in name]
    assert noted.keys() == set(content)
    lines = "".join(f"{digest}  {path}\n" for path, digest in noted.items())
    subprocess.run(["md5sum", "--check", "--strict"], input=lines.encode(), cwd=root / RELEASE, check=True)


def test_its_howto_takes_out_the_latest_version(release, root, tmp_path):
    change(release, "FAILED")
    run(release, root)
    change(release)
    run(release, root)
    work = tmp_path / "work"
    work.mkdir()
    howto = root / RELEASE / "v2" / "content" / "HOWTO.md"
    run_blocks(howto, work, "check", "layout", "files", "skopeo", object=root / RELEASE)
    assert is_whole(work / "layout")
    assert references(work / "layout") == references(root / RELEASE / "v2" / "content")
    assert "PASSED" in (work / RELEASE / "HOWTO.md").read_text("utf-8")


def test_its_howto_finds_a_damaged_blob(release, root, tmp_path):
    run(release, root)
    path = next(root.rglob("*/blobs/sha256/*"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(AssertionError, match=r"FAILED|did NOT match"):
        run_blocks(root / RELEASE / "v1" / "content" / "HOWTO.md", tmp_path, "check", object=root / RELEASE)


# -- what is there already and is not as it should be ----------------------------------------------------------------


def damage_blob(place: Path) -> None:
    path = max(place.rglob("*/blobs/sha256/*"), key=lambda p: p.stat().st_size)
    path.write_bytes(b"\0" + path.read_bytes()[1:])


def lose_blob(place: Path) -> None:
    max(place.rglob("*/blobs/sha256/*"), key=lambda p: p.stat().st_size).unlink()


def link_blob(place: Path) -> None:
    path = next(place.rglob("*/blobs/sha256/*"))
    path.rename(place.parent.parent / "elsewhere")
    path.symlink_to(place.parent.parent / "elsewhere")


def link_text(place: Path) -> None:
    (place / "v1" / "content" / "HOWTO.md").unlink()
    (place / "v1" / "content" / "HOWTO.md").symlink_to("/etc/passwd")


def change_inventory(place: Path) -> None:
    (place / "inventory.json").write_bytes((place / "inventory.json").read_bytes().replace(b"v1", b"v2"))


def lose_sidecar(place: Path) -> None:
    (place / "inventory.json.sha256").unlink()


@pytest.mark.parametrize(
    "harm", [damage_blob, lose_blob, link_blob, link_text, change_inventory, lose_sidecar], ids=lambda f: f.__name__
)
def test_no_version_is_added_to_a_damaged_object_and_it_is_left_as_it_is(release, root, harm):
    run(release, root)
    harm(root / RELEASE)
    before = files(root)
    change(release)
    with pytest.raises(WorkFailure, match=r"is damaged|is no plain file"):
        run(release, root)
    assert files(root) == before
    assert [path.name for path in root.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "edit",
    [
        {"digestAlgorithm": "sha512"}, {"id": "other"}, {"head": "v9"}, {"head": "v01"}, {"type": "1.0"},
        {"contentDirectory": "stuff"}, {"manifest": {"0" * 64: ["v1/content/../../../up"]}},
        {"manifest": {"0" * 64: ["/etc/passwd"]}}, {"versions": {}},
    ],
    ids=str,
)  # fmt: skip
def test_an_object_that_somebody_else_wrote_in_another_way_is_left_alone(release, root, edit):
    run(release, root)
    data = json.dumps(inventory(root) | edit).encode()
    (root / RELEASE / "inventory.json").write_bytes(data)
    (root / RELEASE / "inventory.json.sha256").write_text(f"{Digest.of(data).hex} inventory.json\n")
    change(release)
    before = files(root)
    with pytest.raises(InputFailure, match="no version can be added"):
        run(release, root)
    assert files(root) == before


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"mine": ""}, "neither empty nor an OCFL 1.1 storage root"),
        ({"0=ocfl_1.0": "ocfl_1.0\n"}, "neither empty nor an OCFL 1.1 storage root"),
        ({"0=ocfl_1.1": "ocfl_1.1\n"}, "does not lay out its objects"),
        (
            {"0=ocfl_1.1": "ocfl_1.1\n", "ocfl_layout.json": '{"extension": "0003", "description": ""}'},
            "does not lay out",
        ),
        ({"0=ocfl_1.1": "ocfl_1.1\n", "ocfl_layout.json": "\0"}, "does not lay out its objects"),
    ],
    ids=str,
)
def test_what_is_no_storage_root_of_ours_is_left_alone(release, root, made, message):
    root.mkdir()
    for name, text in made.items():
        (root / name).write_text(text)
    with pytest.raises(InputFailure, match=message):
        run(release, root)
    assert {name: data.decode() for name, data in files(root).items()} == made


def test_a_stranger_in_an_objects_place_is_left_alone(release, root):
    run(release, root)
    (root / RELEASE).rename(root / "other")
    (root / RELEASE).symlink_to("other")
    with pytest.raises(InputFailure, match="is not an OCFL object"):
        run(release, root)


def test_a_damaged_blob_of_the_store_refuses_the_version(release, root):
    run(release, root)
    before = files(root)
    found = put_artifact(release.store, f"results/{RELEASE}/oci", b"a result")
    path = release.store.blob_path(release.store.manifest(found).layers[0].digest)
    path.chmod(0o644)
    path.write_bytes(b"a resulT")
    with pytest.raises(WorkFailure, match="is damaged in the store"):
        run(release, root)
    assert files(root) == before


# -- cut short -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 10, 40])
def test_a_killed_first_export_leaves_no_storage_root(release, root, at):
    assert in_child(lambda: export_ocfl(release.lock, release.store, root, Deadly(at))) == signal.SIGKILL
    assert not root.exists()
    run(release, root)
    assert is_valid(root)
    assert sorted(p.name for p in root.parent.iterdir()) == ["images", "the archive"]


@pytest.mark.parametrize("at", [1, 6, "before the exchange", "after it", "while the old one is removed"])
def test_a_killed_export_leaves_the_old_version_or_the_new_one_whole(release, root, monkeypatch, at):
    run(release, root)
    change(release)

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def exchange_and_die(one: Path, other: Path) -> None:
        exchange(one, other)
        die()

    if at == "before the exchange":
        monkeypatch.setattr(writing, "exchange", die)
    elif at == "after it":
        monkeypatch.setattr(writing, "exchange", exchange_and_die)
    elif at == "while the old one is removed":
        monkeypatch.setattr("builder.export.folder.shutil.rmtree", die)
    steps = at if isinstance(at, int) else 1 << 30
    assert in_child(lambda: export_ocfl(release.lock, release.store, root, Deadly(steps))) == signal.SIGKILL
    monkeypatch.undo()
    assert is_valid(root)
    assert inventory(root)["head"] == ("v2" if at in {"after it", "while the old one is removed"} else "v1")
    assert run(release, root).version == "v2"
    assert is_valid(root)
    change(release, "FAILED")
    assert run(release, root).version == "v3"
    assert [path.name for path in root.parent.iterdir() if path.name.startswith(".")] == []


def test_two_folders_change_places(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    exchange(tmp_path / "one", tmp_path / "other")
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.glob("*/*")) == ["one/other", "other/one"]
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "one", tmp_path / "gone")


@pytest.mark.parametrize("library", [object(), "EINVAL"])
def test_a_file_system_that_can_not_exchange_is_told_and_the_object_stays(release, root, monkeypatch, library):
    run(release, root)
    before = files(root)
    change(release)
    if library == "EINVAL":
        monkeypatch.setattr(exchanging, "RENAME_EXCHANGE", 1 << 20)
    else:
        monkeypatch.setattr("builder.export.exchange.ctypes.CDLL", lambda *_, **__: library)
    with pytest.raises(HostFailure, match="can not change places in one step"):
        run(release, root)
    assert files(root) == before
    assert is_valid(root)


def test_where_no_hard_links_can_be_made_what_is_there_is_copied(release, root, monkeypatch):
    run(release, root)
    change(release)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("builder.export.ocfl.os.link", refuse)
    assert run(release, root).version == "v2"
    assert is_valid(root)


def test_a_version_that_there_is_no_room_for_leaves_the_object_as_it_was(release, tmp_path):
    shutil.copytree(release.store.path, tmp_path / "later")
    later = Site(Store(tmp_path / "later"), release.lock)
    put_artifact(later.store, f"results/{RELEASE}/large", bytes(2_000_000))
    target = tmp_path / "small" / "root"
    said = on_small_file_system(
        tmp_path, "1m", call("export_ocfl", release, target), call("export_ocfl", later, target)
    )
    assert said[0] == f"the export {target} can not be written: No space left on device"
    assert is_valid(tmp_path / "after" / "root")
    assert inventory(tmp_path / "after" / "root")["head"] == "v1"
    assert [path.name for path in (tmp_path / "after").iterdir()] == ["root"]
