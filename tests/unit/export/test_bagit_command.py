"""The command: what it prints, as text and as JSON, and with which exit code it ends."""

import json

import pytest
from click.testing import CliRunner, Result

from builder.cli.main import cli
from tests.unit.export.archives import build, is_valid_bag
from tests.unit.export.release import RELEASE, Site


@pytest.fixture
def release(site) -> Site:
    build(site)
    return site


def run(site: Site, *words: object) -> Result:
    place = site.store.path.parent
    common = ["--store", site.store.path, "--recipes", place / "recipes"]
    return CliRunner().invoke(cli, ["export", RELEASE, *map(str, (*words, *common))])


def test_a_bag_is_told_in_lines(release, tmp_path):
    done = run(release, tmp_path / "bag", "--bagit")
    assert done.exit_code == 0
    assert f"{RELEASE}: one bag in {tmp_path}/bag (57 files, " in done.stdout
    assert "tagmanifest-sha256.txt: sha256:" in done.stdout
    assert is_valid_bag(tmp_path / "bag")


def test_bags_are_told_as_json(release, tmp_path):
    done = run(release, tmp_path / "bags", "--bagit", "--volume-size", "1MB", "--json")
    said = json.loads(done.stdout)
    assert done.exit_code == 0
    assert said["images"] == ["oci", "sif", "vm"]
    assert [bag["folder"] for bag in said["bags"]] == [f"{tmp_path}/bags/volume-001"]
    assert said["size"] == sum(bag["size"] for bag in said["bags"])
    assert is_valid_bag(tmp_path / "bags" / "volume-001")


def test_an_object_is_told_as_json_and_again_in_lines(release, tmp_path):
    said = json.loads(run(release, tmp_path / "root", "--ocfl", "--json").stdout)
    assert (said["version"], said["new"], said["object"]) == ("v1", True, f"{tmp_path}/root/{RELEASE}")
    done = run(release, tmp_path / "root", "--ocfl")
    assert done.exit_code == 0
    assert f"{RELEASE}: version v1 there already" in done.stdout
    assert f"inventory.json: {said['digest']}" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--bagit", "--ocfl"), ("--volume-size", "1MB"), ("--ocfl", "--volume-size", "1MB"), ("--bagit", "--inputs"),
        ("--ocfl", "--image", "oci"), ("--bagit", "--volume-size", "1"), ("--bagit", "--volume-size", "much"),
        ("--bagit", "--volume-size", "9kB"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_words_that_do_not_go_together_are_refused_before_anything_is_written(release, tmp_path, words):
    done = run(release, tmp_path / "x", *words)
    assert done.exit_code == 2
    assert not (tmp_path / "x").exists()


def test_damage_ends_with_4_and_a_full_folder_with_2(release, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    assert run(release, tmp_path / "full", "--bagit").exit_code == 2
    assert run(release, tmp_path / "full", "--ocfl").exit_code == 2
    path = release.store.blob_path(release.lock.packages()[0].blob.digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[::-1])
    for form in ("--bagit", "--ocfl"):
        done = run(release, tmp_path / "x", form, "--json")
        assert done.exit_code == 4
        assert "is damaged in the store" in json.loads(done.stdout)["problems"][0]["message"]
        assert not (tmp_path / "x").exists()
