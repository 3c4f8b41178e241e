"""The toy release, its particle table, and the recipe that names them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from example.upstream import packages
from example.upstream.__main__ import DEFAULT_PORT
from example.upstream.release import VERSIONS, build_miniboss, lay_out_miniboss
from example.upstream.tarball import write_tarball
from example.upstream.tree import EXAMPLE, TARBALL

RECIPES = EXAMPLE.parent / "recipes"

Boss = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every version, laid out as in /opt/miniboss."""
    folder = tmp_path_factory.mktemp("miniboss")
    for version in VERSIONS:
        lay_out_miniboss(version, folder / version)
    return folder


@pytest.fixture(scope="module")
def boss(installed: Path) -> Boss:
    """Run boss.exe with arguments."""

    def run(*arguments: str | Path, version: str = "1.0.0") -> subprocess.CompletedProcess[str]:
        words = [sys.executable, installed / version / "bin" / "boss.exe", *arguments]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)

    return run


@pytest.mark.parametrize("version", VERSIONS)
def test_without_job_options_it_says_what_the_real_one_says(boss: Boss, version: str) -> None:
    done = boss(version=version)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == f"BOSS version: {version}\nERROR! the jobOptions file is empty!\n"


def test_a_file_of_comments_is_an_empty_one(boss: Boss, tmp_path: Path) -> None:
    options = tmp_path / "job.txt"
    options.write_text("// nothing; at all\n/* Here.Is = 1;\n*/\n")
    assert boss(options).stdout == boss().stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n\nApplicationMgr.Evtmax = 50;\n", "job.txt:3: ApplicationMgr.Evtmax is not in this version of the toy"),
        ('A.B = "http://x";', "job.txt:1: A.B is not in this version of the toy"),
        (
            '#include "$NO_SUCH_ROOT/x.txt"\n',
            "job.txt:1: the variable NO_SUCH_ROOT is not set, in '$NO_SUCH_ROOT/x.txt'",
        ),
        ("A.B = 1;\nnonsense;\n", "job.txt:2: expected `Component.Property = value;`"),
        ("A.B = 1;\n\nA.C = 2\n", "job.txt:3: the last statement does not end with `;`"),
    ],
)
def test_a_job_that_it_cannot_do_is_refused_with_file_and_line(
    boss: Boss, tmp_path: Path, text: str, message: str
) -> None:
    options = tmp_path / "job.txt"
    options.write_text(text)
    done = boss(options)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "BOSS version: 1.0.0"
    assert f"ERROR! {tmp_path}/{message}" in done.stdout.splitlines()


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_job_options_that_cannot_be_read_are_an_error_and_no_traceback(
    boss: Boss, tmp_path: Path, content: bytes | None
) -> None:
    options = tmp_path / "job.txt"
    if content is not None:
        options.write_bytes(content)
    done = boss(options)
    assert (done.returncode, done.stderr) == (1, "")
    assert str(options) in done.stdout


@pytest.mark.parametrize("arguments", [("--nonsense",), ("a", "b")])
def test_a_wrong_command_line_shows_the_usage(boss: Boss, arguments: tuple[str, ...]) -> None:
    done = boss(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage:")


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_it_says_that_it_is_a_toy(boss: Boss, option: str) -> None:
    assert "is a toy" in boss(option).stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_source_gives_the_same_rpm(tmp_path: Path, version: str) -> None:
    made = []
    for name, mask in (("one", 0o022), ("two", 0o077)):
        (tmp_path / name).mkdir()
        before = os.umask(mask)
        try:
            made.append(build_miniboss(version, tmp_path / name / "out", tmp_path / name).read_bytes())
        finally:
            os.umask(before)
    assert made[0] == made[1]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_rpm_holds_the_release_and_nothing_of_python_s_caches(
    installed: Path, tmp_path: Path, version: str
) -> None:
    rpm = build_miniboss(version, tmp_path / "out", tmp_path)
    said = subprocess.run(["rpm", "-qpl", rpm], capture_output=True, text=True, check=True, timeout=30).stdout.split()
    home = installed / version
    files = {f"/opt/miniboss/{version}/{path.relative_to(home)}" for path in home.rglob("*") if path.is_file()}
    assert files | {"/etc/profile.d/miniboss.sh"} <= set(said)
    assert f"/opt/miniboss/{version}/share/decay_cards/rhopi.dec" in files
    assert not [path for path in said if "__pycache__" in path]


def test_versions_differ_in_their_own_part_alone(installed: Path) -> None:
    one, other = (
        {path.relative_to(installed / version): path.read_bytes() for path in files(installed / version)}
        for version in VERSIONS
    )
    assert one.keys() == other.keys()
    assert {path.parent.name for path in one if one[path] != other[path]} == {"release"}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_recipe_names_the_digest_of_the_tarball_that_is_made(tmp_path: Path) -> None:
    tarball = tmp_path / "made.tar"
    write_tarball(EXAMPLE / "particle-table", tarball, TARBALL, packages.DATE)
    recipe = (RECIPES / "miniboss" / "recipe.hcl").read_text()
    assert f"/sources/{TARBALL}.tar" in recipe
    assert re.findall(r'sha256\s+= "(\w+)"', recipe) == [hashlib.sha256(tarball.read_bytes()).hexdigest()]


def test_a_tarball_does_not_depend_on_modes_times_or_caches(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_text("text")
    write_tarball(folder, tmp_path / "one.tar", "top", packages.DATE)
    (folder / "sub" / "__pycache__").mkdir()
    (folder / "sub" / "__pycache__" / "x.pyc").write_text("cache")
    (folder / "sub" / "file").chmod(0o600)
    os.utime(folder / "sub" / "file", (1, 1))
    write_tarball(folder, tmp_path / "two.tar", "top", packages.DATE)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_the_base_recipe_installs_what_the_upstream_makes_except_the_kernel() -> None:
    recipe = (RECIPES / "tinyel-1" / "recipe.hcl").read_text()
    listed = re.search(r"packages = \[(.*?)\]", recipe, re.DOTALL)
    assert listed is not None
    named = re.findall(r'"(.+?)"', listed[1])
    assert named == sorted({*packages.BOOT, *packages.TOOLS, "filesystem", "setup"})


def test_the_base_recipe_asks_for_the_kernel_for_machines_alone() -> None:
    recipe = (RECIPES / "tinyel-1" / "recipe.hcl").read_text()
    machine = recipe[recipe.index('image "vm"') :]
    assert f"packages = {json.dumps(packages.KERNEL)}" in machine


def test_the_base_recipe_knows_the_default_port() -> None:
    assert f'"http://127.0.0.1:{DEFAULT_PORT}"' in (RECIPES / "tinyel-1" / "recipe.hcl").read_text()


def test_the_particle_table_gives_particles_and_antiparticles() -> None:
    script = "from particletable import particle as p; print(p(443).width, p(-2212).charge, p(-13).name)"
    words = [sys.executable, "-c", script]
    environment = {"PYTHONPATH": str(EXAMPLE / "particle-table"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment, timeout=30)
    assert done.stdout == "9.26e-05 -1 anti-mu-\n"


@pytest.mark.parametrize("number", [-443, 0, 99])
def test_the_particle_table_refuses_what_is_not_in_it(number: int) -> None:
    words = [sys.executable, "-c", f"import particletable; particletable.particle({number})"]
    environment = {"PYTHONPATH": str(EXAMPLE / "particle-table"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, timeout=30)
    assert done.returncode != 0
    assert "KeyError" in done.stderr
