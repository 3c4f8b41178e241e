"""`boss-builder history`: tables for people, one document for programs, and what it says where there is nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from builder.cli.history import command
from builder.rebuild import history
from builder.rebuild.earlier import in_their_light
from builder.rebuild.model import Run
from builder.rebuild.taxonomy import Cause
from builder.store.store import Store
from tests.unit.rebuild.made_runs import GOOD, answer, found, run, upstream

RECIPES = Path(__file__).parents[3] / "recipes"
DIFFERS = found(Cause.CONTENT_DIFFERS, "/opt/boss/share/a")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recipes").mkdir()
    return tmp_path


def keep(folder: Path, *runs: Run) -> None:
    kept: list[Run] = []
    for one in runs:
        kept.append(in_their_light(one, kept))
        history.append(Store(folder / "images"), kept[-1])


def called(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(command, [*words, "--recipes", str(folder / "recipes")])


def test_it_shows_how_all_stands_and_the_latest_runs(folder: Path):
    keep(
        folder,
        run(0, answer(*GOOD), upstream()),
        run(1, answer(DIFFERS)),
        run(2, answer(DIFFERS), upstream(found(Cause.MOVED, "repository os"))),
    )
    result = called(folder, "tiny-1")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "tiny-1: BAD (runs: 3, since 2026-11-01T03:00:00Z)",
        "",
        "          state  fault                    first seen            last good",
        "oci       BAD    COMPARE content-differs  2026-11-02T03:00:00Z  2026-11-01T03:00:00Z",
        "upstream  BAD    FETCH moved              2026-11-03T03:00:00Z  2026-11-01T03:00:00Z",
        "",
        "run                   oci   upstream  what decided",
        "2026-11-03T03:00:00Z  BAD   BAD       oci: COMPARE content-differs, /opt/boss/share/a",
        "2026-11-02T03:00:00Z  BAD   -         oci: COMPARE content-differs, /opt/boss/share/a",
        "2026-11-01T03:00:00Z  GOOD  GOOD      oci: COMPARE bit-identical",
    ]


def test_it_lists_as_many_runs_as_are_asked_for_and_judges_all(folder: Path):
    keep(folder, *(run(day, answer(*(GOOD if day % 2 else [DIFFERS]))) for day in range(6)))
    lines = called(folder, "tiny-1", "--last", "2").stdout.splitlines()
    assert [line.split()[0] for line in lines[-2:]] == ["2026-11-06T03:00:00Z", "2026-11-05T03:00:00Z"]
    assert lines[3].endswith("flapping")
    assert called(folder, "tiny-1", "--last", "0").exit_code == 2


def test_json_is_one_document(folder: Path):
    keep(folder, run(0, answer(*GOOD)), run(1, answer(DIFFERS)))
    shown = json.loads(called(folder, "tiny-1", "--json", "--last", "1").stdout)
    assert (shown["release"], shown["number_of_runs"], shown["damaged"]) == ("tiny-1", 2, [])
    assert [one["began"] for one in shown["runs"]] == ["2026-11-02T03:00:00Z"]
    (standing,) = shown["standings"]
    assert standing["fault"]["cause"] == "COMPARE/content-differs"
    assert standing["last_good"] == "2026-11-01T03:00:00Z"
    assert (standing["shape"], standing["state"], standing["flapping"]) == ("oci", "BAD", False)


def test_a_release_without_runs_is_the_users_mistake(folder: Path):
    result = called(folder, "tiny-1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "has no run of tiny-1\n    boss-builder rebuild tiny-1\n" in result.stderr
    keep(folder, run(0, answer(*GOOD)))
    assert "there are runs of tiny-1" in called(folder, "tiny-2").stderr
    assert "problems" in json.loads(called(folder, "tiny-2", "--json").stdout)


def test_a_damaged_run_is_told_beside_the_others(folder: Path):
    keep(folder, run(0, answer(*GOOD)))
    store = Store(folder / "images")
    lost = history.append(store, replace(run(1, answer(*GOOD)), seconds=9.0))
    store.blob_path(store.manifest(lost).config.digest).unlink()
    result = called(folder, "tiny-1")
    assert result.exit_code == 0
    assert "runs: 1," in result.stdout
    assert "rebuild/tiny-1/20261102T030000Z-" in result.stderr
    assert len(json.loads(called(folder, "tiny-1", "--json").stdout)["damaged"]) == 1


def test_where_every_run_is_damaged_it_could_not_be_read(folder: Path):
    store = Store(folder / "images")
    lost = history.append(store, run(1, answer(*GOOD)))
    store.blob_path(lost.digest).unlink()
    assert called(folder, "tiny-1").exit_code == 4


def test_a_path_names_the_release_of_its_recipe(folder: Path):
    keep(folder, run(0, answer(*GOOD), release="miniboss-1.0.0"))
    upstream_is = {"BOSS_BUILDER_VAR_upstream": "http://vault.example"}
    words = [str(RECIPES / "miniboss-1.0.0"), "--recipes", str(folder / "recipes")]
    result = CliRunner().invoke(command, words, env=upstream_is)
    assert result.exit_code == 0
    assert result.stdout.startswith("miniboss-1.0.0: GOOD")
    assert called(folder, str(folder)).exit_code == 2
