"""The commands, as a person types them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builder.cli.main import cli
from builder.recipe.layout import formatted

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(recipes: Any):
    assert recipes.is_dir()

    def run(*words: Any, **more: Any):
        return CliRunner().invoke(cli, words, catch_exceptions=False, **more)

    return run


@pytest.fixture
def real(recipes: Any):
    """Run the command as a program of its own."""
    assert recipes.is_dir()

    def real(*words: Any, stdin: Any = ""):
        return subprocess.run(
            [sys.executable, "-c", "from builder.cli.main import main; main()", *words],
            input=stdin, capture_output=True, text=True, check=False, timeout=60,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    return real


@pytest.mark.parametrize("name", ["check", "fmt", "init", "schema", "show"])
def test_help_has_examples(run: Any, name: Any):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f"  boss-builder {name}" in result.output


def test_check_says_well_of_what_is_well(run: Any):
    result = run("check", "el", "whole-1.0")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "el: well (a base)\nwhole-1.0: well\n", "")


def test_check_without_a_name_checks_everything(run: Any):
    result = run("check")
    assert result.exit_code == 2
    assert "whole-1.0: well" in result.stdout
    assert "recipes/broken-base/recipe.hcl:3:3: unknown attribute" in result.stderr
    assert result.stderr.count("recipes/loop-a/recipe.hcl") == 1


def test_check_ends_with_the_number_of_errors(run: Any, write: Any):
    write('release "bad" "1" {\n  title = 1\n}\n')
    result = run("check", "bad", "none")
    assert result.exit_code == 2
    assert result.stderr.endswith("\n6 errors; nothing was done.\n")
    assert "Traceback" not in result.output


def test_check_gives_json(run: Any, write: Any):
    write('base "bad" {\n  titel = "x"\n}\n')
    result = run("check", "el", "bad", "--json")
    document = json.loads(result.stdout)
    assert document["recipes"] == [
        {"base": True, "name": "el", "well": True, "to_set": [], "placeholders": []},
        {"base": True, "name": "bad", "well": False, "to_set": [], "placeholders": []},
    ]
    assert document["problems"][0] == {
        "column": 1, "file": "recipes/bad/recipe.hcl", "hint": "add title = ...", "line": 1,
        "message": 'missing attribute "title" in base "bad"',
    }  # fmt: skip


def test_check_takes_variables_and_refuses_unknown_ones(run: Any):
    assert run("check", "whole-1.0", "--var", "prefix=/srv").exit_code == 0
    result = run("check", "whole-1.0", "--var", "prefx=/srv")
    assert (result.exit_code, 'did you mean "prefix"?' in result.stderr) == (2, True)
    assert "write --var NAME=VALUE" in run("check", "whole-1.0", "--var", "prefix").stderr


def test_check_of_an_empty_folder_says_how_to_begin(run: Any, tmp_path: Any):
    result = run("check", "--recipes", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert "boss-builder init NAME VERSION" in result.stderr


def test_fmt_check_and_diff_write_nothing(run: Any, recipes: Any):
    path = recipes / "el" / "recipe.hcl"
    path.write_text('base "el" {\ntitle="x"\n}\n')
    for words in (("-check", "-diff"), ("--check", "--diff")):
        result = run("fmt", *words, "el")
        assert result.exit_code == 1
        assert '-title="x"\n+  title = "x"\n' in result.stdout
    assert path.read_text() == 'base "el" {\ntitle="x"\n}\n'


def test_fmt_writes_names_what_changed_and_keeps_the_mode(run: Any, recipes: Any):
    path = recipes / "el" / "recipe.hcl"
    path.write_text('base "el" {\ntitle="x"\n}\n')
    path.chmod(0o600)
    result = run("fmt", "el", "whole-1.0")
    assert (result.exit_code, result.stdout) == (0, "recipes/el/recipe.hcl\n")
    assert path.read_text() == 'base "el" {\n  title = "x"\n}\n'
    assert path.stat().st_mode & 0o777 == 0o600
    assert run("fmt", "-check", "el").exit_code == 0


def test_fmt_takes_a_folder_and_reports_every_file_that_cannot_be_parsed(run: Any):
    result = run("fmt", "-check", "recipes")
    assert result.exit_code == 2
    assert "recipes/unreadable-base/recipe.hcl:2:11" in result.stderr


def test_fmt_filters_standard_input(real: Any):
    result = real("fmt", "-", stdin="a=1\n")
    assert (result.returncode, result.stdout) == (0, "a = 1\n")


def test_init_writes_a_recipe_that_is_well(run: Any, recipes: Any):
    result = run("init", "boss", "7.0.5")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "recipes/boss-7.0.5/recipe.hcl",
        "recipes/boss-7.0.5/puppet/site.pp",
        "recipes/boss-7.0.5/validation/test_release.py",
        "recipes/boss-7.0.5/documents/release-notes.md",
    ]
    assert run("check", "boss-7.0.5").stdout.startswith("boss-7.0.5: well\n")
    text = (recipes / "boss-7.0.5" / "recipe.hcl").read_bytes()
    assert formatted(text, "x") == text
    assert b"PLACEHOLDER" in text
    compile((recipes / "boss-7.0.5" / "validation" / "test_release.py").read_text(), "test_release.py", "exec")


def test_what_init_marked_must_be_written_before_a_freeze(run: Any, recipes: Any, tmp_path: Any):
    run("init", "boss", "7.0.5")
    path = recipes / "boss-7.0.5" / "recipe.hcl"
    marked = [n for n, line in enumerate(path.read_text().splitlines(), 1) if re.match(r"\s*[^#\s].*PLACEHOLDER", line)]
    said = run("check", "boss-7.0.5").stdout.splitlines()
    assert said[1] == "  these are still marked with PLACEHOLDER, and must be written before it is frozen:"
    assert [line.split(":")[1] for line in said[2:]] == [str(n) for n in marked] != []
    frozen = run("freeze", "boss-7.0.5", "--store", str(tmp_path / "images"))
    assert (frozen.exit_code, frozen.stderr.count("still marked with PLACEHOLDER")) == (2, len(marked))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(
        "".join(line if line.lstrip().startswith("#") else line.replace("PLACEHOLDER", "") for line in lines)
    )
    assert run("check", "boss-7.0.5").stdout == "boss-7.0.5: well\n"


def test_init_takes_a_path_and_overwrites_nothing(run: Any, recipes: Any):
    assert run("init", "recipes/boss-6.6.4.p03").exit_code == 0
    assert run("show", "boss-6.6.4.p03").stdout.startswith('release "boss" "6.6.4.p03" {')
    before = sorted(path.name for path in recipes.iterdir())
    again = run("init", "boss", "6.6.4.p03")
    assert (again.exit_code, "exists already" in again.stderr) == (2, True)
    assert sorted(path.name for path in recipes.iterdir()) == before


def test_init_names_every_kind_of_source(run: Any, recipes: Any):
    run("init", "boss", "7.0.5")
    text = (recipes / "boss-7.0.5" / "recipe.hcl").read_text()
    kinds = set(re.findall(r'source "(\w+)"', text))
    assert kinds >= {"rpm_repository", "tarball", "directory", "git", "cvmfs", "csv"}
    assert all(word in text for word in ("component", "--mirror", "example = ..."))


BASE = r"""base "bad" {
  extends = "whole-1.0"
  title   = "shared"
}

variable "date" {
  description = "the day"
  example     = "2000-01-01"
}

variable "paths" {
  example = { PATH = "/a", "B-C" = "$${x} \\" }
}

variable "words" {
  description = "words"
  example     = ["a \"b\"", "c"]
}

variable "unused" {
  example = "x"
}

package "boss" {
  environment = { DAY = var.date, WORDS = join(" ", var.words), PATHS = var.paths.PATH }
}
"""


def test_init_of_what_extends_a_base_has_what_the_base_leaves_to_it(run: Any, recipes: Any, write: Any):
    write(BASE)
    result = run("init", "boss", "7.2.0", "--extends", "bad")
    assert (result.exit_code, result.stderr.count("next: ")) == (0, 1), result.stderr
    assert result.stdout.splitlines() == [
        "recipes/boss-7.2.0/recipe.hcl",
        "recipes/boss-7.2.0/documents/release-notes.md",
    ]
    path = recipes / "boss-7.2.0" / "recipe.hcl"
    assert formatted(path.read_bytes(), "x") == path.read_bytes()
    (row,) = json.loads(run("check", "boss-7.2.0", "--json").stdout)["recipes"]
    names = [one["name"] for one in row["to_set"]]
    assert (row["well"], names) == (True, ["date", "paths", "words"])
    examples = json.loads(run("show", "boss-7.2.0", "--json").stdout)["examples"]
    kept = path.read_text().partition("\n\n# What this release was built with")[0] + "\n"
    path.write_text(
        re.sub(r"(?m)^# (?=variable|  |})", "", kept).replace(" # PLACEHOLDER", "").replace("PLACEHOLDER: ", "")
    )
    assert formatted(path.read_bytes(), "x") == path.read_bytes()
    assert run("check", "boss-7.2.0").stdout == "boss-7.2.0: well\n"
    document = json.loads(run("show", "boss-7.2.0", "--json").stdout)
    assert document["package"]["environment"] == {
        "DAY": examples["date"], "WORDS": " ".join(examples["words"]), "PATHS": examples["paths"]["PATH"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("base", "said"), [("el", "does not suffice"), ("none", "no recipe"), ("../recipes/el", "no recipe")]
)
def test_init_refuses_a_base_that_is_none_or_too_little(run: Any, recipes: Any, base: Any, said: Any):
    before = sorted(path.name for path in recipes.iterdir())
    result = run("init", "boss", "7.2.0", "--extends", base)
    assert (result.exit_code, said in result.stderr) == (2, True)
    assert sorted(path.name for path in recipes.iterdir()) == before


@pytest.mark.parametrize("words", [("bo;ss", "1"), ("boss", "../1"), ("boss", "")])
def test_init_refuses_what_is_no_name(run: Any, recipes: Any, words: Any):
    before = sorted(path.name for path in recipes.iterdir())
    assert run("init", *words).exit_code == 2
    assert sorted(path.name for path in recipes.iterdir()) == before


def test_show_prints_hcl_with_everything_in_it(run: Any):
    text = run("show", "whole-1.0").stdout
    assert 'packages     = ["bash", "coreutils", "python3"]' in text
    assert 'modules  = ["puppet/modules/site"] # in el' in text
    assert 'command = ["/bin/sh", "-c", "echo $${HOME}"]' in text
    assert formatted(text.encode(), "x").decode() == text
    assert "tolerance  = 0.005" in text
    assert '  source "csv" {\n    table    = "bookkeeping/CalVtxLumVer.csv"' in text


def test_what_show_prints_means_the_same(run: Any, recipes: Any):
    text = run("show", "whole-1.0").stdout
    for file in (recipes / "el").iterdir():
        if file.is_dir():
            shutil.copytree(file, recipes / "whole-1.0" / file.name, dirs_exist_ok=True)
    before = json.loads(run("show", "whole-1.0", "--json").stdout)
    (recipes / "whole-1.0" / "recipe.hcl").write_text(text)
    assert json.loads(run("show", "whole-1.0", "--json").stdout) == _here(before)


def _here(value: Any):
    """Give a document in which every file lies in the recipe's own folder."""
    if isinstance(value, dict):
        return {k: "whole-1.0" if k == "recipe" else _here(v) for k, v in value.items()}
    return [_here(item) for item in value] if isinstance(value, list) else value


def test_show_gives_json_with_defaults(run: Any):
    document = json.loads(run("show", "whole-1.0", "--json").stdout)
    assert document["release"]["date"] == "2020-02-29"
    assert document["os"]["rpm_repository"][0]["repo_gpgcheck"] is False
    assert document["external_library"][1]["source"]["kind"] == "tarball"
    assert document["document"][0]["file"] == {"recipe": "whole-1.0", "path": "documents/notes.md"}


def test_show_of_a_bad_recipe_gives_problems_as_json(run: Any):
    result = run("show", "broken-base", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["problems"]


def test_schema_prints_json(run: Any):
    assert json.loads(run("schema").stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_program_itself_ends_with_the_right_code(real: Any):
    good, bad = real("check", "whole-1.0"), real("check", "broken-base")
    assert (good.returncode, good.stdout) == (0, "whole-1.0: well\n")
    assert bad.returncode == 2
    assert bad.stderr.endswith("\n3 errors; nothing was done.\n")


@pytest.mark.usefixtures("recipes")
def test_check_imports_nothing_slow():
    words = "import sys; from builder.cli.check import command; command.main(['whole-1.0'], standalone_mode=False)\n"
    slow = "print(sorted({'pydantic', 'jinja2', 'requests', 'docker', 'rich', 'regex', 'hcl2'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", words + slow], capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout == "whole-1.0: well\n[]\n"
