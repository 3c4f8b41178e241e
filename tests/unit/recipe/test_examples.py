"""Variables with an example in place of a value: `check` and `show` take it and say so, `freeze` and `build` refuse."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builder.cli.main import cli
from builder.core.errors import ExitCode, InputFailure
from builder.recipe.load import examine, load

RECIPE = """
release "site" "1" {
  title   = "A site's own"
  date    = "2020-01-01"
  license = "MIT"
}

variable "vault" {
  description = "where the vault is"
  example     = "https://vault.example/el"
}

variable "compiler" {
  example = "0.0"
}

variable "unused" {
  example = 1
}

locals {
  os = "${var.vault}/os"
}

os {
  family       = "el6"
  version      = "6"
  architecture = "x86_64"
  packages     = ["bash"]

  rpm_repository "os" {
    url = "${local.os}/"
  }
}

component "gcc" {
  version    = var.compiler
  known_from = "not public"
}

component "root" {
  version    = "5.34.09"
  part_of    = "LCGCMT"
  known_from = "a page"
}

package "boss" {
  source "rpm_repository" {
    url      = "${local.os}/boss/"
    packages = ["boss"]
  }
}
"""


@pytest.fixture
def recipe(recipes: Path) -> Path:
    """Give the path of a recipe that names two variables for which only examples stand."""
    (recipes / "site-1").mkdir()
    path = recipes / "site-1" / "recipe.hcl"
    path.write_text(RECIPE)
    return path


def run(*words: str) -> Any:
    return CliRunner().invoke(cli, words, catch_exceptions=False)


def test_a_recipe_is_well_with_examples(recipe: Path):
    examined = examine(recipe, {}, {})
    assert examined.problems == ()
    assert examined.loaded is not None
    assert examined.loaded.recipe.os.rpm_repository[0].url == "https://vault.example/el/os/"


def test_what_must_be_set_is_what_is_used_and_has_no_value(recipe: Path):
    loaded = load(recipe, {}, {})
    assert [(one.name, one.example, one.wanted) for one in loaded.to_set] == [
        ("vault", "https://vault.example/el", "URL"),
        ("compiler", "0.0", "VALUE"),
    ]
    assert [one.name for one in load(recipe, {"vault": "https://a.example"}, {}).to_set] == ["compiler"]
    assert load(recipe, {"vault": "https://a.example"}, {"BOSS_BUILDER_VAR_compiler": "4.6.3"}).to_set == ()


def test_a_value_knows_the_examples_that_it_comes_from_through_others_too(recipe: Path):
    loaded = load(recipe, {}, {})
    assert loaded.examples_behind(("os", "rpm_repository", "os", "url")) == ("vault",)
    assert loaded.examples_behind(("package", "source", "url")) == ("vault",)
    assert loaded.examples_behind(("component", "gcc", "version")) == ("compiler",)
    assert loaded.examples_behind(("component", "root", "version")) == ()


def test_an_example_says_of_which_kind_the_value_is(recipe: Path):
    recipe.write_text(RECIPE.replace('example = "0.0"', 'example = ["0.0"]').replace("var.compiler", "var.compiler[0]"))
    assert load(recipe, {"compiler": '["4"]'}, {}).recipe.component[0].version == "4"
    assert [one.wanted for one in load(recipe, {}, {}).to_set] == ["URL", "JSON"]
    with pytest.raises(InputFailure, match="its example is of that kind"):
        load(recipe, {"compiler": "4"}, {})


def test_a_default_that_an_heir_declares_takes_the_place_of_the_example(recipe: Path, recipes: Path):
    text = RECIPE.replace('release "site" "1" {', 'base "site" {')
    (recipes / "site-1" / "recipe.hcl").write_text(text.replace('  date    = "2020-01-01"\n  license = "MIT"\n', ""))
    heir = recipes / "heir-1" / "recipe.hcl"
    heir.parent.mkdir()
    heir.write_text(
        'release "heir" "1" {\n  extends = "site-1"\n  title = "x"\n  date = "2020-01-01"\n  license = "MIT"\n}\n'
        'variable "vault" {\n  default = "https://own.example"\n}\n'
        'component "gcc" {\n  version = "4.6.3"\n}\n'
    )
    loaded = load(heir, {}, {})
    assert loaded.to_set == ()
    assert loaded.recipe.os.rpm_repository[0].url == "https://own.example/os/"
    assert loaded.recipe.component[0].version == "4.6.3"
    assert examine(recipe, {}, {}).problems == ()


def test_check_names_what_must_be_set(recipe: Path):
    assert recipe.is_file()
    result = run("check", "site-1")
    assert result.exit_code == ExitCode.OK
    assert result.stdout.splitlines() == [
        "site-1: well",
        "  2 variables have only an example, and must be set before it is frozen (--var NAME=VALUE):",
        "    vault: where the vault is; as in https://vault.example/el",
        "    compiler: VALUE; as in 0.0",
    ]
    document = json.loads(run("check", "site-1", "--json").stdout)
    assert document["recipes"][0]["to_set"][0] == {
        "name": "vault", "description": "where the vault is", "example": "https://vault.example/el",
    }  # fmt: skip
    set_too = run("check", "site-1", "--var", "vault=https://a.example", "--var", "compiler=4.6.3")
    assert set_too.stdout == "site-1: well\n"


def test_show_marks_examples_and_gives_the_components_as_a_table(recipe: Path):
    assert recipe.is_file()
    lines = run("show", "site-1").stdout.splitlines()
    assert lines[0] == "# not to be frozen yet: examples stand for vault, compiler"
    marked = re.compile(r' +url += "https://vault.example/el/os/" +# an example: set vault')
    assert [line for line in lines if marked.fullmatch(line)]
    assert lines[-3:] == [
        "# component  version         part of  known from",
        "# gcc        (set compiler)  -        not public",
        "# root       5.34.09         LCGCMT   a page",
    ]
    document = json.loads(run("show", "site-1", "--json").stdout)
    assert document["examples"] == {"vault": "https://vault.example/el", "compiler": "0.0"}
    assert document["component"][1] == {
        "name": "root", "version": "5.34.09", "part_of": "LCGCMT", "known_from": "a page",
    }  # fmt: skip


@pytest.mark.parametrize("command", ["freeze", "build"])
def test_nothing_is_frozen_or_built_with_an_example(command: str, recipe: Path, tmp_path: Path):
    result = run(command, "site-1", "--store", str(tmp_path / "images"))
    assert result.exit_code == ExitCode.INPUT
    assert 'variable "vault" has no value, only an example: where the vault is' in result.stderr
    assert "set it with --var vault=URL, BOSS_BUILDER_VAR_vault, or a default" in result.stderr
    assert 'variable "compiler" has no value' in result.stderr
    assert not recipe.with_name("recipe.lock.json").exists()


def test_a_base_may_leave_the_system_to_its_heir(recipes: Path):
    path = recipes / "soft" / "recipe.hcl"
    path.parent.mkdir()
    path.write_text('base "soft" {\n  title = "Software alone"\n}\n')
    assert examine(path, {}, {}).problems == ()
    path.write_text('base "soft" {\n  title = "x"\n}\nos {\n  family = "el6"\n}\n')
    assert 'missing attribute "version" in os' in {problem.message for problem in examine(path, {}, {}).problems}
