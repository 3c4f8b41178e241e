"""`boss-builder bookkeeping`, as a person types it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builder.cli.main import cli
from tests.unit.freeze.test_bookkeeping import CSV, ROWS, SERVER, Release

REAL = Path(__file__).parents[2] / "data" / "bookkeeping-6.6.4.csv"


@pytest.fixture
def release(tmp_path: Any, monkeypatch: Any):
    monkeypatch.chdir(tmp_path)
    return Release(Path())


def run(*words: Any):
    return CliRunner().invoke(cli, ["bookkeeping", *map(str, words)], catch_exceptions=False)


@pytest.mark.parametrize("words", [(), ("check",), ("query",), ("diff",)])
def test_help_has_examples(words: Any):
    result = run(*words, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert " ".join(("  boss-builder bookkeeping", *words)) in result.output


def test_check_of_a_real_table_ends_with_1_and_its_gaps():
    result = run("check", REAL)
    assert result.exit_code == 1
    assert f"{REAL}:25: gap: 6.6.4 Mdc: no row for the runs 10879..11413, between 9810..10878 and" in result.stdout
    assert result.stdout.endswith(f"{REAL}: gap: 24, no-version: 6\n")
    assert "6.6.4: 41 rows of" in result.stderr


def test_check_with_what_is_accepted_ends_with_0():
    result = run("check", REAL, "--accept", "gap", "--accept", "no-version")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, f"{REAL}: well (30 accepted)")
    assert "'gaps' is no kind of finding" in run("check", REAL, "--accept", "gaps").stderr


def test_check_gives_json():
    document = json.loads(run("check", REAL, "--json").stdout)
    assert document["checked"] == [{"origin": str(REAL), "release": "6.6.4", "rows": 41}]
    gap = next(f for f in document["findings"] if f["kind"] == "gap" and f["data_type"] == "Dedx")
    assert (gap["run_from"], gap["run_to"], gap["accepted"], gap["at"]["line"]) == (25338, 27090, False, 40)


def test_check_of_a_release_reads_the_tables_beside_the_recipe_until_it_is_frozen(release: Any):
    before = run("check", "tiny-1.0")
    assert (before.exit_code, before.stdout.splitlines()[-1]) == (0, "tiny-1.0: well (1 accepted)")
    assert "1.0: 2 rows of the tables beside the recipe" in before.stderr
    release.freeze()
    release.write("t/CalVtxLumVer.csv", "no table\n")
    after = run("check", release.folder)
    assert after.exit_code == 0
    assert "1.0: 2 rows of the snapshot in the store" in after.stderr
    (release.folder / "recipe.hcl").unlink()
    assert "the snapshot in the store" in run("check", "tiny-1.0").stderr


def test_check_of_a_file_may_be_told_of_its_payload_tables(release: Any):
    table = release.folder / "t" / "CalVtxLumVer.csv"
    release.write("t/CalVtxLumVer.csv", ROWS.replace("20,29", "20,30"))
    assert run("check", table, "--accept", "gap").exit_code == 0
    result = run("check", table, "--accept", "gap", "--payloads", table.with_name("payloads"))
    assert result.exit_code == 1
    assert "no-payload: 1.0 Mdc 20..30: MdcCalConst has no constants 1.0/1 for the runs 30" in result.stdout
    assert "none: the folder can not be read" in run("check", table, "--payloads", "none").stderr
    assert "--payloads belongs to a FILE" in run("check", "tiny-1.0", "--payloads", release.folder).stderr


def test_query_says_what_boss_gets_and_why(release: Any):
    release.write("t/CalVtxLumVer.csv", ROWS + "1.0,Mdc,5,9,1.0,2\n")
    result = run("query", "tiny-1.0", "Mdc", -5)
    assert result.exit_code == 0
    assert result.stdout == (
        "1.0 Mdc run -5: BOSS asks for 5, the absolute value of the run\n"
        "  runs 1..9: SftVer 1.0, ParVer 1\n"
        "  passed over, since BOSS takes the first row: runs 5..9, 1.0/2\n"
        "  MdcCalConst 1.0/1, runs 1..29\n"
        "    t0 = 0.5\n"
    )


def test_query_without_a_row_ends_with_1_as_boss_does(release: Any):
    result = run("query", "tiny-1.0", "Mdc", 15)
    assert result.exit_code == 1
    assert "no row of the tables beside the recipe fits: BOSS ends with exit code 1\n  select SftVer" in result.stdout
    document = json.loads(run("query", release.folder, "Mdc", 15, "--json").stdout)
    assert (document["row"], document["matching"], document["asked"]) == (None, [], 15)


def test_query_of_a_version_without_constants_ends_with_1(release: Any):
    release.write("t/CalVtxLumVer.csv", ROWS.replace("9,1.0,1", "9,1.0,7"))
    result = run("query", "tiny-1.0", "Mdc", 5)
    assert result.exit_code == 1
    assert "MdcCalConst has no constants 1.0/7 for it" in result.stdout


@pytest.mark.usefixtures("release")
def test_query_asks_for_what_is_not_clear():
    assert "'mdc' is no data type" in run("query", "tiny-1.0", "mdc", 5).stderr
    several = run("query", "recipes/tiny-1.0/t/CalVtxLumVer.csv", "Mdc", 5)
    assert (several.exit_code, "--boss-release 1.0|2.0" in several.stderr) == (2, True)
    one = run("query", "recipes/tiny-1.0/t/CalVtxLumVer.csv", "Mdc", 5, "--boss-release", "2.0")
    assert "SftVer 2.0" in one.stdout
    assert "has the rows of 1.0 alone" in run("query", "tiny-1.0", "Mdc", 5, "--boss-release", "2.0").stderr


def test_diff_compares_releases_and_files(release: Any):
    other = Path("other.csv")
    other.write_text(ROWS.replace("1.0,Mdc,20,29,1.0,1", "1.0,Mdc,20,25,1.0,2"))
    table = release.folder / "t" / "CalVtxLumVer.csv"
    same = run("diff", table, table, "--boss-release", "1.0")
    assert (same.exit_code, same.stdout) == (0, "1.0 and 1.0: every run gets the same\n")
    result = run("diff", table, other, "--boss-release", "1.0")
    assert (result.exit_code, result.stdout) == (
        1, "Mdc 20..25: 1.0/1 -> 1.0/2\nMdc 26..29: only in the first, 1.0/1\n1.0 and 1.0: 2 differences\n",
    )  # fmt: skip
    document = json.loads(
        run("diff", "tiny-1.0", other, "--boss-release", "1.0", "--boss-release", "2.0", "--json").stdout
    )
    assert (document["a"]["release"], document["b"]["release"]) == ("1.0", "2.0")
    assert [d["kind"] for d in document["differences"]] == ["version", "removed"]


@pytest.mark.parametrize(
    ("source", "message"),
    [(SERVER, "comes from a server and is not frozen yet"), (CSV.replace("CalVtx", "Cal"), "there is no file")],
)
def test_what_can_not_be_read_is_an_error_of_the_input(release: Any, source: Any, message: Any):
    release.say(source)
    result = run("check", "tiny-1.0")
    assert (result.exit_code, message in result.stderr, "Traceback" in result.stderr) == (2, True, False)


def test_the_name_of_nothing_is_answered_with_what_there_is(release: Any):
    result = run("check", "tiny-1.1")
    assert (result.exit_code, "tiny-1.0" in result.stderr) == (2, True)
    (release.folder / "empty.csv").write_text(ROWS.splitlines()[0] + "\n")
    assert "has no rows" in run("check", release.folder / "empty.csv").stderr


def test_help_imports_nothing_slow():
    words = "import sys\nfrom builder.cli.bookkeeping import command\ncommand.main(['--help'], standalone_mode=False)\n"
    slow = "print(sorted({'sqlglot', 'pymysql', 'sqlite3', 'msgspec', 'requests'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", words + slow], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
