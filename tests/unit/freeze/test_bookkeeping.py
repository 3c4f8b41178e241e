"""Freeze the bookkeeping of a recipe: checked, made into a snapshot, kept with what it was made of."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from builder.bookkeeping import snapshot
from builder.core.digest import Digest
from builder.core.errors import InputFailure
from builder.core.progress import NoProgress
from builder.freeze.bookkeeping import frozen_bookkeeping, unfrozen_bookkeeping
from builder.freeze.freeze import freeze
from builder.lock import file as lock_file
from builder.lock.model import LOCK_VERSION, Blob, Lock
from builder.recipe.load import load
from builder.store.store import Store

RECIPE = """\
release "tiny" "1.0" {
  title   = "Tiny"
  date    = "2020-01-01"
  license = "MIT"
}

os {
  family       = "tiny"
  version      = "1"
  architecture = "x86_64"
  packages     = ["shell"]

  rpm_repository "os" {
    url = "http://127.0.0.1:1/os"
  }
}

package "boss" {
  source "directory" {
    path = "boss"
  }

  install_to = "/opt/boss"
}

bookkeeping {
  SOURCE
}
"""
CSV = 'source "csv" {\n    table    = "t/CalVtxLumVer.csv"\n    payloads = "t/payloads"\n  }'
SERVER = 'source "mariadb" {\n    host = "127.0.0.1"\n    port = 1\n    user = "reader"\n  }'
ROWS = """\
BossRelease,DataType,RunFrom,RunTo,SftVer,ParVer
1.0,Mdc,1,9,1.0,1
1.0,Mdc,20,29,1.0,1
2.0,Mdc,1,9,2.0,1
"""
CONSTANTS = "SftVer,CalParVer,RunFrom,RunTo,t0\n1.0,1,1,29,0.5\n2.0,1,1,9,0.6\n"


class Release:
    """A recipe whose packages are frozen already, so that freezing needs neither network nor engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "recipes" / "tiny-1.0"
        (self.folder / "t" / "payloads").mkdir(parents=True)
        (self.folder / "boss").mkdir()
        self.write("boss/README", "toy\n")
        self.write("t/CalVtxLumVer.csv", ROWS)
        self.write("t/payloads/MdcCalConst.csv", CONSTANTS)
        self.store = Store(folder / "images")
        self.say(CSV)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def say(self, source: str) -> None:
        self.write("recipe.hcl", RECIPE.replace("SOURCE", source))

    def load(self):
        return load(self.folder / "recipe.hcl", {}, {})

    def freeze(self, *, update: bool = False, environment: Any = None):
        path = self.folder / lock_file.NAME
        if not path.exists():
            blob = Blob(digest=Digest.of(b"builder"), size=7)
            lock = Lock(
                version=LOCK_VERSION, recipe=self.load().recipe, recipe_files={}, builder_image=blob, repositories=(),
                os_packages=(), frozen_repository={}, sources={},
            )  # fmt: skip
            lock_file.write(lock, path)

        def no_toolbox(_: Any):
            raise AssertionError("nothing is to be resolved")

        return freeze(self.load(), self.store, no_toolbox, NoProgress(), environment or {}, update=update)

    def tell(self, **more: Any):
        """Give what a freeze that fails says."""
        with pytest.raises(InputFailure) as failure:
            self.freeze(**more)
        return "".join(f"{problem}\n" for problem in failure.value.problems)


@pytest.fixture
def release(tmp_path: Any, monkeypatch: Any):
    monkeypatch.chdir(tmp_path)
    return Release(Path())


def test_the_snapshot_and_what_it_was_made_of_are_in_the_lock_and_the_store(release: Any):
    frozen = release.freeze()
    sources = {k: (s.kind, s.source) for k, s in frozen.lock.sources.items() if k.startswith("bookkeeping")}
    assert sources == {
        "bookkeeping": ("snapshot", "snapshot://tiny-1.0/offlinedb.db"),
        "bookkeeping.table": ("file", "tiny-1.0/t/CalVtxLumVer.csv"),
        "bookkeeping.payloads": ("directory", "tiny-1.0/t/payloads"),
    }
    assert all(release.store.has(frozen.lock.sources[key].blob.digest) for key in sources)
    assert release.store.read(frozen.lock.sources["bookkeeping.table"].blob.digest) == ROWS.encode()
    book = frozen_bookkeeping(frozen.lock, release.store)
    assert [(row.release, row.run_from) for row in book.rows] == [("1.0", 1), ("1.0", 20)]
    assert [row.software for row in book.payloads[0].rows] == ["1.0"]


def test_again_with_the_same_table_nothing_changes(release: Any):
    first = release.freeze()
    again = release.freeze()
    assert first.lock_changed
    assert (again.lock_changed, again.changes, again.lock) == (False, (), first.lock)


def test_rows_of_other_releases_do_not_change_the_snapshot(release: Any):
    before = release.freeze().lock.sources
    release.write("t/CalVtxLumVer.csv", ROWS + "3.0,Mdc,1,9,3.0,1\n")
    release.write("t/payloads/MdcCalConst.csv", CONSTANTS + "3.0,1,1,9,0.7\n")
    after = release.freeze()
    assert after.lock.sources["bookkeeping"] == before["bookkeeping"]
    assert [line.partition(":")[0] for line in after.changes] == ["bookkeeping.payloads", "bookkeeping.table"]


def test_another_constant_is_another_snapshot(release: Any):
    before = release.freeze().lock.sources
    release.write("t/payloads/MdcCalConst.csv", CONSTANTS.replace("0.5", "0.51"))
    after = release.freeze()
    assert after.lock.sources["bookkeeping"].blob != before["bookkeeping"].blob
    assert any(line.startswith("bookkeeping: content changed") for line in after.changes)


def test_every_finding_stops_it_with_its_place_and_nothing_is_written(release: Any):
    release.write("t/CalVtxLumVer.csv", ROWS + "1.0,Mdc,5,12,1.0,2\n1.0,Emc,9,1,1.0,1\n1.0,Dedx,-9,-1,1.0,1\n")
    told = release.tell()
    table = "recipes/tiny-1.0/t/CalVtxLumVer.csv"
    assert f"{table}:7: wrong-sign: 1.0 Dedx -9..-1 has negative runs" in told
    assert f"{table}:6: inverted: 1.0 Emc 9..1 ends before it begins" in told
    assert f"{table}:5: overlap: 1.0 Mdc 5..12: its runs 5..9 belong to 1..9 already ({table}:2)" in told
    assert f"{table}:5: no-payload: 1.0 Mdc 5..12: MdcCalConst has no constants 1.0/2 for the runs 5..12" in told
    assert "gap" not in told  # which the recipe accepts, as it says nothing else
    assert told.endswith(
        "recipes/tiny-1.0/recipe.hcl:26:1: the bookkeeping has 4 findings that the recipe does not accept\n"
        "    correct the table; or, where it must stay as it was, add to `accept` of bookkeeping: "
        '"inverted", "no-payload", "overlap", "wrong-sign"\n'
    )
    assert lock_file.read(release.folder / lock_file.NAME).sources == {}


def test_what_the_recipe_accepts_does_not_stop_it(release: Any):
    release.write("t/CalVtxLumVer.csv", ROWS + "1.0,Mdc,5,12,1.0,1\n")
    assert "overlap" in release.tell()
    release.say(CSV + '\n  accept = ["gap", "overlap"]')
    book = frozen_bookkeeping(release.freeze().lock, release.store)
    assert [row.run_from for row in book.rows] == [1, 20, 5]
    release.say(CSV + "\n  accept = []")
    assert "gap: 1.0 Mdc: no row for the runs 13..19" in release.tell()


def test_what_default_means_is_in_the_lock_and_told(release: Any):
    release.write("t/CalVtxLumVer.csv", ROWS.replace("9,1.0,1", "9,1.0,default"))
    assert "default-version" in release.tell()
    release.say(CSV + '\n  accept = ["gap", "default-version"]')
    release.write("t/payloads/MdcCalConst.csv", CONSTANTS + "1.0,2,5,9,0.7\n")
    frozen = release.freeze()
    assert [(d.data_type, d.run_from, d.run_to, d.version) for d in frozen.lock.default_versions] == [
        ("Mdc", 1, 4, "1.0/1"), ("Mdc", 5, 9, "1.0/2"), ("Mdc", 20, 29, "1.0/1"),
    ]  # fmt: skip
    assert 'bookkeeping: "default" of Mdc 5..9 in MdcCalConst means 1.0/2' in frozen.changes
    assert not release.freeze().lock_changed
    assert lock_file.read(release.folder / lock_file.NAME) == frozen.lock


def test_a_release_without_rows_is_named_with_those_that_have_some(release: Any):
    release.say(CSV + '\n  release = "1.5"')
    assert "CalVtxLumVer has no row of the release '1.5'\n    releases that it has: 1.0, 2.0" in release.tell()
    release.say(CSV + '\n  release = "2.0"')
    assert frozen_bookkeeping(release.freeze().lock, release.store).releases == ("2.0",)


def test_a_table_that_can_not_be_read_is_named_with_its_line(release: Any):
    release.write("t/CalVtxLumVer.csv", ROWS + "1.0,Mdc,x,9,1.0,1\n")
    assert "recipes/tiny-1.0/t/CalVtxLumVer.csv:5: RunFrom is not a run: 'x'" in release.tell()


def test_the_password_of_a_server_comes_from_the_environment_alone(release: Any):
    release.say(SERVER)
    told = release.tell()
    assert "the variable BOSS_BUILDER_DATABASE_PASSWORD of the environment is not set" in told
    assert "recipe.hcl:27:3" in told


def test_a_frozen_server_is_not_asked_again(release: Any):
    before = release.freeze().lock
    release.say(SERVER)
    recipe = release.load().recipe
    frozen = msgspec.structs.replace(before.sources["bookkeeping"], source="mariadb://127.0.0.1:1/offlinedb")
    lock = msgspec.structs.replace(before, recipe=recipe, sources={"bookkeeping": frozen})
    lock_file.write(lock, release.folder / lock_file.NAME)
    assert release.freeze().lock.sources["bookkeeping"] == frozen  # nothing listens on that port
    assert release.freeze().lock_changed is False
    assert "variable BOSS_BUILDER_DATABASE_PASSWORD" in release.tell(update=True)
    release.say(SERVER.replace("reader", "other"))
    assert "variable BOSS_BUILDER_DATABASE_PASSWORD" in release.tell()
    release.say(SERVER)
    Path(release.store.blob_path(frozen.blob.digest)).unlink()
    assert "the store lacks the snapshot of the bookkeeping that the lock names" in release.tell()


def test_before_it_is_frozen_the_tables_beside_the_recipe_are_read(release: Any):
    assert [row.run_from for row in unfrozen_bookkeeping(release.load()).rows] == [1, 20]
    release.say(SERVER)
    with pytest.raises(InputFailure, match="comes from a server and is not frozen yet"):
        unfrozen_bookkeeping(release.load())


def test_a_file_of_sqlite_is_a_source_and_gives_the_same_snapshot(release: Any):
    first = release.freeze().lock.sources["bookkeeping"]
    snapshot.write(unfrozen_bookkeeping(release.load()), release.folder / "t" / "d.db")
    release.say('source "dump" {\n    file = "t/d.db"\n  }')
    sources = release.freeze().lock.sources
    assert sources["bookkeeping"] == first
    assert sources["bookkeeping.dump"].source == "tiny-1.0/t/d.db"
    assert "bookkeeping.table" not in sources
