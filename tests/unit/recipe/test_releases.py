"""The recipes of real releases: they are right, each version has its source, and what is rendered of them is reviewed.

The reviewed texts are in tests/golden/RELEASE. After a wanted change, write them anew and look at the difference:

    BOSS_BUILDER_RENEW_GOLDEN=1 python -m pytest tests/unit/recipe/test_releases.py && git diff tests/golden
"""

import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builder.cli.main import cli
from builder.core.digest import Digest
from builder.lock.model import LOCK_VERSION, Blob, Lock, Repository, RpmPackage, Signature, Source, Verdict
from builder.physics.histograms import read_result
from builder.recipe.find import FILE_NAME, names
from builder.recipe.layout import formatted
from builder.recipe.load import LoadedRecipe, examine_all, load
from builder.recipe.model import Recipe
from builder.recipe.show import as_text
from builder.render.plan import dockerfile, plan
from builder.render.sif import definition
from builder.render.vm import disk_ids, domain, file_system, start_script
from builder.store.shapes import VmConfig

ROOT = Path(__file__).parents[3]
RECIPES = ROOT / "recipes"
GOLDEN = ROOT / "tests" / "golden"
RELEASES = ["boss-6.6.4.p03", "boss-6.6.5.p01", "boss-7.0.5", "boss-7.0.9.p01", "boss-7.1.0"]

TABLE = """
| | 6.6.4.p03 | 7.0.5 |
|---|---|---|
| CMTCONFIG | x86_64-slc5-gcc43-opt | x86_64-slc6-gcc46-opt |
| gcc | 4.3.2 | 4.6.3 |
| CMT | v1r20p20081118 | v1r25 |
| LCGCMT | 57a_clhep2.0.4.5 | 65a |
| Gaudi | v21r6 | v23r9 |
| Geant4 | 4.9.3.p01 | 4.9.3.p01 |
| ROOT | 5.24.00b | 5.34.09 |
| CLHEP | 2.0.4.5 | 2.0.4.5 |
| Python | 2.5.4p2 | 2.7.3 |
| Boost | 1.39.0 | 1.50.0 |
| HepMC / HepPDT | 2.03.11 / 2.05.04 | 2.06.08 / 2.06.01 |
| XercesC | 2.8.0 | 3.1.1p1 |
| MySQL / sqlite | 5.0.18 / 3.6.8 | 5.5.14 / 3070900 |
| CASTOR / tcmalloc / GCCXML | 2.1.8-10 / 1.4 / 0.9.0_20090601 | 2.1.13-6 / 1.7p3 / 0.9.0_20120309p2 |
| BesGDML | 2.8.0 | |
| xrootd | | 3.2.7 |
| BesPolicy | 01-05-03 | 01-05-05 |
"""
"""What is publicly known of two releases, as it was gathered; the recipes must say no less and nothing else."""


@cache
def loaded(release: str) -> LoadedRecipe:
    return load(RECIPES / release / FILE_NAME, {}, {})


@cache
def shown(release: str) -> str:
    return as_text(loaded(release))


def table() -> dict[str, dict[str, str]]:
    """Give TABLE as `{release: {component: version}}`."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TABLE.strip().splitlines()]
    found: dict[str, dict[str, str]] = {}
    for column, release in enumerate(rows[0][1:], start=1):
        cells = [(row[0].split(" / "), row[column].split(" / ")) for row in rows[2:] if row[column]]
        found[f"boss-{release}"] = {
            name: version for parts, versions in cells for name, version in zip(parts, versions, strict=True)
        }
    return found


def blob(text: str) -> Blob:
    return Blob(digest=Digest.of(text.encode()), size=len(text))


def package(name: str) -> RpmPackage:
    return RpmPackage(
        name=name.removeprefix("@"), epoch=0, version="1", release="1", architecture="x86_64",
        location=f"Packages/{name}.rpm", blob=blob(name), signature=Signature(verdict=Verdict.GOOD, key_id="0" * 16),
    )  # fmt: skip


def synthetic_lock(recipe: Recipe) -> Lock:
    """Give a lock such as a freeze would write, of inputs that nobody fetched; only their names are real."""
    vm = recipe.image_of("vm")
    assert vm is not None
    system, machine = [package(name) for name in recipe.os.packages], [package(name) for name in vm.packages]
    repository = Repository(
        name="os", url=recipe.os.rpm_repository[0].url, revision="1", metadata={},
        signature=Signature(verdict=Verdict.UNSIGNED), keys=(), packages=(*system, *machine),
    )  # fmt: skip
    inputs = ["puppet.manifest", "package.boss", "bookkeeping", "validation.suite"]
    inputs += [f"external_library.{library.name}" for library in recipe.external_library]
    sources = {name: Source(source=name, blob=blob(name), kind="synthetic") for name in inputs}
    assert recipe.puppet is not None
    sources["puppet.manifest"] = Source(source=str(recipe.puppet.manifest), blob=blob("site"), kind="file")
    return Lock(
        version=LOCK_VERSION, recipe=recipe, recipe_files={recipe.full_name: blob("recipe")},
        builder_image=blob("builder"), repositories=(repository,), os_packages=tuple(p.nevra for p in system),
        vm_packages=tuple(p.nevra for p in machine), frozen_repository={"repomd.xml": blob("repomd")}, sources=sources,
    )  # fmt: skip


def rendered(release: str) -> dict[str, str]:
    """Render what a person reads of a release, with the recipe's examples."""
    recipe = loaded(release).recipe
    lock = synthetic_lock(recipe)
    vm = recipe.image_of("vm")
    assert vm is not None
    config = VmConfig(  # noqa: S604 - `shell` is a serial port
        architecture="x86_64", memory=vm.memory_bytes, processors=vm.processors, disk_bus=vm.disk_bus,
        disk_size=vm.disk_bytes, raw_digest=Digest.of(b"disk"), firmware=("bios",), console="ttyS0", shell="ttyS1",
    )  # fmt: skip
    digest = Digest.of(b"lock")
    return {
        "Dockerfile": dockerfile(plan(lock, Digest.of(b"tools")), digest),
        f"{release}.def": definition(lock, digest),
        f"{release}.sh": start_script(recipe, config),
        f"{release}.xml": domain(recipe, config, disk_ids(Digest.of(release.encode()))),
    }


def run(*words: str) -> Any:
    return CliRunner().invoke(cli, [*words, "--recipes", str(RECIPES)], catch_exceptions=False)


def test_every_recipe_is_well():
    examined, problems = examine_all([RECIPES / name / FILE_NAME for name in names(RECIPES)], {}, {})
    assert problems == ()
    assert {one.name for one in examined if one.name.startswith("boss-")} == set(RELEASES)
    assert {one.name for one in examined if one.is_base} >= {"boss", "el5", "el6", "el7"}


@pytest.mark.parametrize("name", names(RECIPES))
def test_a_recipe_is_laid_out_as_fmt_lays_it_out(name: str):
    text = (RECIPES / name / FILE_NAME).read_bytes()
    assert formatted(text, name) == text


@pytest.mark.parametrize("release", RELEASES)
def test_the_rendered_texts_are_the_reviewed_ones(release: str):
    texts = rendered(release)
    folder = GOLDEN / release
    if os.environ.get("BOSS_BUILDER_RENEW_GOLDEN"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
    assert {path.name for path in folder.iterdir()} == set(texts)
    for name, text in texts.items():
        assert text == (folder / name).read_text("utf-8"), f"tests/golden/{release}/{name}: see how to renew it above"


@pytest.mark.parametrize("release", RELEASES)
def test_the_reviewed_texts_can_be_read_by_those_who_get_them(release: str):
    folder = GOLDEN / release
    subprocess.run(["bash", "-n", folder / f"{release}.sh"], check=True)
    machine = ET.parse(folder / f"{release}.xml").getroot()  # noqa: S314 - our own text
    assert machine.findtext("name") == release
    assert "FROM scratch" in (folder / "Dockerfile").read_text("utf-8")


def test_show_prints_what_is_tested_here():
    assert run("show", "boss-7.0.5").stdout == shown("boss-7.0.5")


@pytest.mark.parametrize(("release", "component"), [(r, c) for r, versions in table().items() for c in versions])
def test_show_prints_each_version_with_its_source(release: str, component: str):
    lines = shown(release).splitlines()
    row = next(line for line in lines if re.match(rf"# {re.escape(component)}  ", line))
    assert row.split()[2] == table()[release][component]
    assert "not public" not in row
    assert re.search(r"\S+/\S+: \S+", row), row


@pytest.mark.parametrize("release", RELEASES)
def test_a_component_is_known_from_somewhere_or_must_be_set(release: str):
    recipe = loaded(release)
    for component in recipe.recipe.component:
        unset = recipe.examples_behind(("component", component.name, "version"))
        assert bool(unset) is (component.known_from == "not public"), component.name
        assert unset or re.fullmatch(r"[\w.-]+/[\w.-]+: \S.*", component.known_from), component.known_from


@pytest.mark.parametrize(
    ("release", "unknown"),
    [
        ("boss-6.6.4.p03", set()),
        ("boss-6.6.5.p01", {"gcc", "geant4", "test_release"}),
        ("boss-7.0.5", set()),
        ("boss-7.0.9.p01", {"cmtconfig", "gcc", "cmt", "lcgcmt", "gaudi", "geant4", "root", "cmthome", "test_release"}),
        ("boss-7.1.0", {"cmtconfig", "gcc", "cmt", "lcgcmt", "gaudi", "geant4", "root", "cmthome", "test_release"}),
    ],
)
def test_check_names_the_facts_that_are_not_public(release: str, unknown: set[str]):
    rows = json.loads(run("check", release, "--json").stdout)["recipes"]
    to_set = {variable["name"] for variable in rows[0]["to_set"]}
    assert rows[0]["well"]
    facts = {"cmtconfig", "gcc", "cmt", "lcgcmt", "gaudi", "geant4", "root", "cmthome", "test_release"}
    assert to_set & facts == unknown
    assert {"date", "database_host", "rhopi_histograms", "dqa_libraries"} <= to_set


def test_the_page_on_the_releases_names_every_release_and_every_variable_that_must_be_set():
    page = (ROOT / "docs" / "releases.md").read_text("utf-8")
    for release in RELEASES:
        assert f"| `{release}` |" in page
        for variable in loaded(release).to_set:
            assert f"`{variable.name}`" in page, variable.name


def test_a_recipe_of_ones_own_sets_variables_as_the_page_says(tmp_path: Path):
    page = (ROOT / "docs" / "releases.md").read_text("utf-8")
    for name in ("boss", "el6", "boss-7.0.5"):
        shutil.copytree(RECIPES / name, tmp_path / name)
    own = tmp_path / "our-boss-7.0.5" / FILE_NAME
    own.parent.mkdir()
    own.write_text(page.split("```hcl\n")[1].split("```")[0], "utf-8")
    found = load(own, {}, {})
    assert found.recipe.full_name == "boss-7.0.5"
    assert {one.name for one in loaded("boss-7.0.5").to_set} - {one.name for one in found.to_set} == {"date", "vault"}
    assert found.recipe.os.rpm_repository[0].url == "https://vault.example/scientific/6.10/x86_64/os/"


def test_with_every_variable_set_nothing_is_left_to_set():
    recipe = loaded("boss-7.1.0")
    texts = {one.name: one.example for one in recipe.to_set}
    words = {name: value if isinstance(value, str) else json.dumps(value) for name, value in texts.items()}
    assert load(RECIPES / "boss-7.1.0" / FILE_NAME, words, {}).to_set == ()


@pytest.mark.parametrize(
    ("release", "place", "kind"),
    [
        ("boss-6.6.4.p03", "/afs/ihep.ac.cn/bes3/offline", "ext3"),
        ("boss-6.6.5.p01", "/cvmfs/bes3.ihep.ac.cn/bes3sw", "ext4"),
        ("boss-7.0.5", "/cvmfs/bes3.ihep.ac.cn/bes3sw", "ext4"),
        ("boss-7.0.9.p01", "/cvmfs/bes3.ihep.ac.cn/bes3sw", "ext4"),
        ("boss-7.1.0", "/cvmfs/bes3.ihep.ac.cn/bes3sw", "ext4"),
    ],
)
def test_a_release_stands_at_its_old_place_on_a_file_system_that_its_kernel_reads(release: str, place: str, kind: str):
    recipe = loaded(release).recipe
    environment = recipe.package.environment
    version = recipe.release.version
    assert environment["SITEROOT"] == place
    assert environment["BesArea"] == f"{place}/Boss/{version}"
    work, boss, gaudi, lcgcmt = environment["CMTPATH"].split(":")
    assert (work, boss) == (environment["WorkArea"], environment["BesArea"])
    assert gaudi.startswith(f"{place}/ExternalLib/")
    assert lcgcmt.startswith(f"{place}/ExternalLib/")
    assert file_system(recipe).kind == kind


def test_7_0_5_has_the_environment_that_its_requirements_say():
    environment = loaded("boss-7.0.5").recipe.package.environment
    top = "/cvmfs/bes3.ihep.ac.cn/bes3sw/ExternalLib/SLC6"
    assert environment["DEVROOT"] == top
    assert environment["EXTERNALLIBDIR"] == f"{top}/ExternalLib"
    assert environment["CONTRIBDIR"] == f"{top}/contrib"
    assert environment["CMTROOT"] == f"{top}/contrib/CMT/v1r25"
    assert environment["GAUDI_RELEASE"] == "GAUDI_v23r9"
    assert environment["CMTPATH"].endswith(f":{top}/ExternalLib/LCGCMT/LCGCMT_65a")
    assert environment["MALLOC_CHECK_"] == "0"


CHANNELS = {"ee", "mumu", "ppbar", "rhopi", "kskpi"}


def test_the_five_channels_are_made_and_compared_in_every_release():
    for release in RELEASES:
        validation = loaded(release).recipe.validation
        assert validation is not None
        assert {sample.name for sample in validation.sample} == CHANNELS
        assert {name for observable in validation.observable for name in observable.samples} == CHANNELS


@pytest.mark.parametrize("card", sorted((RECIPES / "boss" / "jobs").rglob("*.dec")), ids=lambda path: path.stem)
def test_a_decay_card_ends_as_it_must(card: Path):
    assert card.read_text("utf-8").endswith("\nEnd\n\n")


def test_the_puppet_template_is_one_that_an_old_agent_reads():
    text = (RECIPES / "boss" / "puppet" / "site.pp").read_text("utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    manifest = re.sub(r"'[^']*'", "''", code)
    for later in ("@(", ".each", "|", "$facts", "epp(", "String", "contain "):
        assert later not in manifest, later


BOSS_EXE = """#!/bin/bash
cat "$1"
case $1 in
    *sim*) echo events > sample.rtraw ;;
    *rec*) [ -s sample.rtraw ] && ! grep -q BESEVENTMIXER release_rec.txt && echo events > sample.dst ;;
    *ana*) [ -s sample.dst ] && echo histograms > sample.root ;;
esac
"""
REQUIREMENTS = """#macro WorkArea "/home/elsewhere"
#path_remove CMTPATH  "${WorkArea}"
#path_remove PATH "x"
"""
CMT = """#!/bin/bash
[ "$1" = config ] && printf 'export PATH=%s:$PATH\\n' "$FAKE_BIN" > setup.sh
"""
ROOT_MODULE = '''"""In place of PyROOT: what to_uhi.py asks of it, and nothing else."""


class TH1:
    def __init__(self, name, edges, contents):
        self.name, self.edges, self.contents = name, edges, contents

    def InheritsFrom(self, what): return what == "TH1"
    def GetDimension(self): return 1
    def GetName(self): return self.name
    def GetTitle(self): return 'a "title"'
    def GetNbinsX(self): return len(self.edges) - 1
    def GetXaxis(self): return self
    def GetXbins(self): return self
    def GetSize(self): return 0 if self.name == "flat" else len(self.edges)
    def GetBinLowEdge(self, number): return self.edges[number - 1]
    def GetBinContent(self, number): return self.contents[number]
    def GetBinError(self, number): return self.contents[number] ** 0.5
    def ReadObj(self): return self


class Folder:
    def __init__(self, items): self.items = items
    def InheritsFrom(self, what): return what == "TDirectory"
    def GetListOfKeys(self): return self.items
    def ReadObj(self): return self
    def IsZombie(self): return False


class TFile:
    @staticmethod
    def Open(path):
        inner = Folder([TH1("steps", [0.0, 1.0, 4.0], [1, 2, 3, 4])])
        return Folder([TH1("flat", [0.0, 0.5, 1.0], [0, 7, 9, 0]), Folder([inner])])
'''


@pytest.fixture
def stand_in(tmp_path: Path) -> dict[str, str]:
    """Give the environment of a job in a tree of stand-ins: scripts, boss.exe, cmt and PyROOT only look the part."""
    profile = re.search(r"content => '(.*?)',\n\}", (RECIPES / "boss/puppet/site.pp").read_text("utf-8"), re.DOTALL)
    assert profile is not None
    texts = {
        "profile.sh": profile[1],
        "bin/boss.exe": BOSS_EXE,
        "bin/cmt": CMT,
        "bin/python": '#!/bin/sh\nexec python3 "$@"\n',
        "python/ROOT.py": ROOT_MODULE,
        "cmthome/requirements": REQUIREMENTS,
        "cmthome/setupCMT.sh": "cp requirements $FAKE_BIN/../requirements.seen\n",
        "TestRelease/cmt/setup.sh": "export TESTRELEASEROOT=$BOSS_TEST_RELEASE\n",
        "TestRelease/run/rhopi.dec": "End\n\n",
        "TestRelease/run/jobOptions_rec.txt": '#include "$BESEVENTMIXERROOT/share/mix.txt"\n#include "rest.txt"\n',
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        path.chmod(0o755)
    return {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "FAKE_BIN": str(tmp_path / "bin"),
        "PYTHONPATH": str(tmp_path / "python"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "BOSS_PROFILE": str(tmp_path / "profile.sh"),
        "BOSS_CMTHOME": str(tmp_path / "cmthome"),
        "BOSS_TEST_RELEASE": str(tmp_path / "TestRelease"),
        "BOSS_DATABASE": "/database",
        "TMPDIR": str(tmp_path),
        "WorkArea": "/srv/boss/workarea",
    }


def test_the_jobs_of_a_sample_end_with_histograms_that_can_be_compared(stand_in: dict[str, str], tmp_path: Path):
    validation = loaded("boss-7.0.5").recipe.validation
    assert validation is not None
    sample = next(one for one in validation.sample if one.name == "rhopi")
    work = tmp_path / "work"
    work.mkdir()
    for reference in (*sample.job_options, *sample.files):
        source = RECIPES / str(reference)
        (work / source.name).write_bytes(source.read_bytes())
    said = ""
    for job in sample.job_options:
        words = [*sample.command, Path(job.path).name]
        done = subprocess.run(words, cwd=work, env=stand_in, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        said += done.stdout
    assert 'ApplicationMgr.TopAlg += {"DQARhopi"};' in said
    assert said.count('DatabaseSvc.SqliteDbPath = "/database/";') == 3
    assert (work / "rhopi.dec").is_file()
    result = read_result((work / sample.result).read_bytes(), "a result")
    assert list(result) == ["flat", "steps"]
    assert result["flat"].edges.tolist() == [0.0, 0.5, 1.0]
    assert result["steps"].edges.tolist() == [0.0, 1.0, 4.0]
    assert (tmp_path / "requirements.seen").read_text().splitlines() == [
        'macro WorkArea "/srv/boss/workarea"',
        'path_remove CMTPATH  "${WorkArea}"',
        '#path_remove PATH "x"',
    ]


def test_a_job_without_the_scripts_of_the_release_fails(stand_in: dict[str, str], tmp_path: Path):
    environment = stand_in | {"BOSS_CMTHOME": str(tmp_path / "none")}
    words = ["bash", RECIPES / "boss/jobs/job.sh", "A", "B", "r.json", "jobOptions_ana.txt"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "the environment of BOSS can not be set" in done.stderr
