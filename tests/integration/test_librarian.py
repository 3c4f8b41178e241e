"""The librarian's guide does what it says: its commands are run as they stand there, and what it shows is what is seen.

The release before the new one, which the guide takes from a disk, is made first; all upstream is the stand-in.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder.recipe.load import examine
from tests.integration.spine import COMMAND, PROJECT, Workplace
from tests.standin.workplace import Standing, standing

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("standin"), pytest.mark.timeout(2400)]
GUIDE = PROJECT / "docs" / "librarian.md"
BEFORE, NEW = "boss-7.1.0", "boss-7.2.0"
FREEZE = "7. Freeze"
PART = re.compile(r"^## (.+)\n|^```sh\n((?:.*\n)*?)```\n(?:\n```text\n((?:.*\n)*?)```\n)?", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """Commands of the guide, below which heading they stand, and what it says that one sees."""

    name: str
    commands: str
    seen: str


def steps(text: str) -> list[Step]:
    found, heading, number = [], "", 0
    for said, commands, seen in PART.findall(text):
        heading, number = (said, 0) if said else (heading, number + 1)
        if not said:
            found.append(Step(f"{heading}, {number}", commands, seen))
    return found


STEPS = steps(GUIDE.read_text("utf-8"))


def missing(expected: str, printed: str) -> list[str]:
    """Give the lines that were not printed, each after the one before it; `...` stands for anything."""
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    lacking, place = [], 0
    for line in expected.splitlines():
        pattern = re.compile(".*".join(re.escape(part) for part in " ".join(line.split()).split("...")))
        at = next((n for n in range(place, len(lines)) if pattern.fullmatch(lines[n])), None)
        if line.strip() != "..." and at is None:
            lacking.append(line)
        elif line.strip() != "..." and at is not None:
            place = at + 1
    return lacking


@dataclass(frozen=True)
class Walked:
    """Where the guide was walked through, and what each step printed; steps after one that failed are not there."""

    work: Workplace
    media: Path
    printed: dict[str, str]
    failed: str


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    folder = tmp_path_factory.mktemp("librarian")
    with standing(folder) as here:
        for command, code in (("freeze", 0), ("build", 0), ("validate", 1)):
            ran = here.run(command, BEFORE, *(() if command == "freeze" else ("--image", "oci")))
            assert ran.code == code, ran.out + ran.err
        yield walk(here, folder)


def walk(here: Standing, folder: Path) -> Walked:
    """Walk through the guide in an empty folder, to its end or to the first step that fails."""
    work, media, state = Workplace(folder / "empty"), folder / "media", folder / "state"
    work.folder.mkdir()
    state.touch()
    for medium in ("disk", "key"):
        (media / medium).mkdir(parents=True)
    upstream = here.upstream.environment(BEFORE, here.url)
    own = ("BOSS_BUILDER_MIRRORS", "BOSS_BUILDER_CVMFS", "BOSS_BUILDER_DATABASE_PASSWORD")
    environment = {
        **work.environment(),
        **{name: upstream[name] for name in (*own, "BOSS_BUILDER_VAR_database_port")},
        **{f"GIT_{who}_{what}": "librarian" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        "BOSS_BUILDER": str(PROJECT),
        "PATH": f"{COMMAND.parent}:{os.environ['PATH']}",
    }
    replaced = {
        "/media/archive/images": str(here.work.folder / "images"),
        "/media/": f"{media}/",
        "/cvmfs/": f"{here.upstream.cvmfs}/",
        "database.example": "127.0.0.1",
    }
    printed: dict[str, str] = {}
    for step in STEPS:
        if step.name == f"{FREEZE}, 1":
            loaded = examine(work.recipes / NEW / "recipe.hcl", {}, {}).loaded
            assert loaded is not None
            here.upstream.add(loaded.recipe)
        commands = step.commands
        for here_it_is, there in replaced.items():
            commands = commands.replace(here_it_is, there)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f". {state}\n{commands}\nexport -p > {state}"],
            cwd=work.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=1200, check=False,
        )  # fmt: skip
        printed[step.name] = done.stdout.replace(f"{media}/", "/media/")
        if done.returncode != 0:
            return Walked(work, media, printed, f"{step.name} ended with {done.returncode}: {done.stdout}")
    return Walked(work, media, printed, "")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: re.sub(r"\W+", "-", step.name))
def test_a_step_of_the_guide_shows_what_it_says(walked: Walked, step: Step) -> None:
    assert step.name in walked.printed, walked.failed
    assert missing(step.seen, walked.printed[step.name]) == [], walked.printed[step.name]


def test_the_guide_leads_to_its_end(walked: Walked) -> None:
    assert walked.failed == ""
    (row,) = [row for row in _json(walked, "list")["images"] if row["release"] == NEW]
    assert row["shape"] == "oci"


def test_recipe_and_lock_are_kept_in_git(walked: Walked) -> None:
    words = ["git", "ls-files", "--error-unmatch", f"recipes/{NEW}/recipe.lock.json"]
    done = subprocess.run(words, cwd=walked.work.folder, check=False, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    words = ["git", "status", "--porcelain"]
    done = subprocess.run(words, cwd=walked.work.folder, check=True, capture_output=True, timeout=60)
    assert done.stdout == b""


def test_what_was_made_on_the_way_says_that_it_is_emulated(walked: Walked) -> None:
    said = f"emulated, not the real thing: {NEW} was frozen from a stand-in upstream"
    assert said in walked.printed["9. Validate, 1"]
    assert said in walked.printed["10. Sign, 1"]


def test_a_line_that_is_not_printed_is_missed() -> None:
    assert missing("a ... c\n...\nd", "a b c\nx\nd\n") == []
    assert missing("d\na ... c", "a b c\nx\nd\n") == ["a ... c"]
    assert missing("a  b\n", "a b c\n") == ["a  b"]


def test_the_guide_is_read_whole() -> None:
    text = GUIDE.read_text("utf-8")
    assert len(STEPS) == text.count("```sh\n")
    assert len([step for step in STEPS if step.seen]) == text.count("```text\n")


def _json(walked: Walked, *words: str) -> Any:
    ran = walked.work.run(*words, "--json")
    assert ran.code == 0, ran.err
    return ran.json
