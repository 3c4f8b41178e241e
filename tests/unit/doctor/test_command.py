"""`boss-builder doctor` as a person calls it: what it prints, for people and for programs, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from builder.cli.doctor import command
from builder.doctor import host as host_module
from builder.doctor.advice import advise
from builder.doctor.model import State
from builder.doctor.report import as_json, lines
from builder.lock import file as lock_file
from builder.lock.stored import INPUTS_TYPE, LOCK_TYPE
from builder.store import oci
from builder.store.shapes import SHAPES
from builder.store.store import Store
from tests.unit.doctor.hosts import NO_KVM, NO_QEMU, NONE, a_host, a_release, enterprise_linux
from tests.unit.export.release import frozen

ROOT = Path(__file__).parents[3]
RECIPE = """
release "{name}" "1.0" {{
  title   = "A release"
  date    = "2020-03-01"
  license = "MIT"
}}

os {{
  family       = "{family}"
  version      = "{version}"
  architecture = "x86_64"
  packages     = ["shell"]

  rpm_repository "os" {{
    url      = "http://vault.example.org/os/"
    gpgcheck = false
  }}
}}

package "boss" {{
  source "rpm_repository" {{
    url      = "http://vault.example.org/boss/"
    packages = ["boss"]
    gpgcheck = false
  }}
}}

{images}
"""
BASE = 'base "shared" {\n  title = "Shared"\n}\n'
TEXT = {"type": "string"}
STATE = {"enum": [state.value for state in State]}
FINDING = {
    "type": "object",
    "required": ["about", "state", "meaning", "cure"],
    "additionalProperties": False,
    "properties": {"about": TEXT, "state": STATE, "meaning": TEXT, "cure": TEXT},
}
FINDINGS = {"type": "array", "items": FINDING}
ROUTE = {
    "type": "object",
    "required": ["shape", "how"],
    "additionalProperties": False,
    "properties": {"shape": {"enum": list(SHAPES)}, "how": TEXT},
}
SCHEMA = {
    "type": "object",
    "required": ["format", "host", "releases", "has_routes"],
    "properties": {
        "format": {"const": 1},
        "has_routes": {"type": "boolean"},
        "problems": {"type": "array"},
        "host": {
            "type": "object",
            "required": [
                "engine", "apptainer", "qemu", "kvm", "vsyscall", "engine_vsyscall", "cgroup", "nofile", "namespaces",
                "fuse", "store_space", "engine_space", "memory", "rpm", "clock",
            ],
            "additionalProperties": {
                "type": "object",
                "required": ["state", "found", "cure"],
                "properties": {"state": STATE, "found": TEXT, "cure": TEXT},
            },
        },
        "releases": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["release", "system", "has_routes", "shapes", "steps"],
                "additionalProperties": False,
                "properties": {
                    "release": TEXT,
                    "system": TEXT,
                    "has_routes": {"type": "boolean"},
                    "shapes": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["shape", "state", "built", "route", "findings"],
                            "additionalProperties": False,
                            "properties": {
                                "shape": {"enum": list(SHAPES)},
                                "state": STATE,
                                "built": {"type": "boolean"},
                                "route": {"anyOf": [{"type": "null"}, ROUTE]},
                                "findings": FINDINGS,
                            },
                        },
                    },
                    "steps": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["step", "state", "findings"],
                            "additionalProperties": False,
                            "properties": {"step": {"enum": ["freeze", "build"]}, "state": STATE, "findings": FINDINGS},
                        },
                    },
                },
            },
        },
    },
}  # fmt: skip
"""What programs may rely on; the documentation says the same in words."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with recipes of an Enterprise Linux 6 and 9, and a base; and a host that is well."""
    monkeypatch.chdir(tmp_path)
    machine = 'image "vm" {\n  packages = ["kernel"]\n}'
    write(tmp_path, "old-1.0", RECIPE.format(name="old", family="sl", version="6.10", images=machine))
    write(tmp_path, "new-1.0", RECIPE.format(name="new", family="almalinux", version="9", images=""))
    write(tmp_path, "shared", BASE)
    on_a_host(monkeypatch)
    return tmp_path


def write(place: Path, name: str, text: str) -> None:
    folder = place / "recipes" / name
    folder.mkdir(parents=True)
    (folder / "recipe.hcl").write_text(text)


def on_a_host(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Let the command find a host like those that are not at hand."""
    monkeypatch.setattr(host_module, "examine", lambda _: a_host(**changes))


def doctor(*words: str) -> Result:
    return CliRunner().invoke(command, words, catch_exceptions=False)


def test_every_release_is_told_and_a_base_is_none() -> None:
    result = doctor()
    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if line and not line.startswith(" ")] == [
        "host",
        "new-1.0: almalinux 9, glibc 2.34, systemd 252",
        "old-1.0: sl 6.10, glibc 2.12",
    ]
    assert result.stderr == ""


def test_a_release_that_can_not_be_started_here_ends_with_1_and_has_its_cure(monkeypatch) -> None:
    on_a_host(monkeypatch, vsyscall=NONE, qemu=NO_QEMU)
    result = doctor("old-1.0")
    assert result.exit_code == 1
    assert "  oci     MISSING  can not be started here" in result.stdout
    assert "vsyscall: its programs die on this kernel, which has vsyscall=none" in result.stdout
    assert "apt-get install qemu-system-x86" in result.stdout
    assert doctor("new-1.0").exit_code == 0
    assert doctor().exit_code == 1, "one of them"


def test_the_machine_is_the_route_of_an_old_release(monkeypatch) -> None:
    on_a_host(monkeypatch, vsyscall=NONE, kvm=NO_KVM)
    result = doctor("old-1.0")
    assert result.exit_code == 0
    expected = "  oci     WARNING  vm: /usr/bin/qemu, emulated (TCG), because vsyscall is off (not built yet)"
    assert expected in result.stdout.splitlines()


def test_the_releases_of_this_project_have_their_routes_on_a_kernel_without_the_page(monkeypatch) -> None:
    on_a_host(monkeypatch, vsyscall=NONE)
    found = json.loads(doctor("--recipes", str(ROOT / "recipes"), "--store", "none", "--json").stdout)
    routes = {
        release["system"].split()[0]: [shape["route"]["shape"] for shape in release["shapes"] if shape["route"]]
        for release in found["releases"]
        if release["release"].startswith("boss-")
    }
    assert routes == {"el5": ["vm"] * 3, "el6": ["vm"] * 3, "el7": ["oci", "sif", "vm"]}


def test_a_shape_can_be_asked_for(monkeypatch) -> None:
    on_a_host(monkeypatch, qemu=NO_QEMU)
    assert doctor("old-1.0").exit_code == 1
    assert doctor("old-1.0", "--image", "oci").exit_code == 0


def test_a_recipe_that_can_not_be_read_is_reported_and_the_others_are_told(place) -> None:
    write(place, "bad", 'release "bad" {\n')
    write(place, "worse", RECIPE.format(name="worse", family="el", version="7", images="nonsense = 1"))
    result = doctor()
    assert result.exit_code == 2
    assert "bad/recipe.hcl" in result.stderr
    assert "worse/recipe.hcl" in result.stderr
    assert "old-1.0: sl 6.10" in result.stdout
    found = json.loads(doctor("--json").stdout)
    assert [release["release"] for release in found["releases"]] == ["new-1.0", "old-1.0"]
    assert len(found["problems"]) == 2
    assert doctor("old-1.0").exit_code == 0, "it is not asked about"


def test_a_damaged_lock_is_reported_and_the_others_are_told(place) -> None:
    (place / "recipes" / "old-1.0" / "recipe.lock.json").write_text("{")
    result = doctor()
    assert (result.exit_code, "new-1.0: almalinux" in result.stdout) == (2, True)
    assert "is not a lock" in result.stderr
    assert doctor("old-1.0").exit_code == 2


def test_a_release_that_is_not_there_is_named_with_those_that_are() -> None:
    result = doctor("old-2.0")
    assert result.exit_code == 2
    assert "known: new-1.0, old-1.0" in result.stderr


def test_without_recipes_the_host_alone_is_looked_at(tmp_path) -> None:
    result = doctor("--recipes", str(tmp_path / "none"))
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "host")
    assert "holds no recipes" in result.stderr


def test_the_store_suffices(place) -> None:
    site = frozen(Store(place / "images"))
    config = site.store.put(lock_file.encode(site.lock))
    assert doctor("tiny-1.0").exit_code == 2
    put_inputs(site.store, config)
    result = doctor("tiny-1.0")
    assert result.exit_code == 0, result.stderr
    assert "tiny-1.0: tiny 1" in result.stdout


def put_inputs(store: Store, lock: str) -> None:
    config = oci.Descriptor(media_type=LOCK_TYPE, digest=lock, size=store.blob_path(lock).stat().st_size)
    manifest = oci.Manifest(config=config, layers=(), artifact_type=INPUTS_TYPE)
    store.put_manifest(manifest, "inputs/tiny-1.0")


@pytest.mark.parametrize("vsyscall", [None, NONE], ids=["well", "none"])
def test_the_document_is_what_programs_rely_on(monkeypatch, vsyscall) -> None:
    on_a_host(monkeypatch, **({"vsyscall": vsyscall, "qemu": NO_QEMU} if vsyscall else {}))
    result = doctor("--json")
    found = json.loads(result.stdout)
    jsonschema.validate(found, SCHEMA)
    assert found["has_routes"] == (vsyscall is None) == (result.exit_code == 0)
    assert found["host"]["vsyscall"]["mode"] == ("xonly" if vsyscall is None else "none")
    old = next(release for release in found["releases"] if release["release"] == "old-1.0")
    assert [shape["route"] and shape["route"]["shape"] for shape in old["shapes"]] == (
        ["oci", "vm"] if vsyscall is None else [None, None]
    )


def test_lines_and_document_tell_the_same() -> None:
    host = a_host(vsyscall=NONE, kvm=NO_KVM)
    advice = [advise(host, a_release(enterprise_linux(number))) for number in (5, 7)]
    text, found = "\n".join(lines(host, advice)), as_json(host, advice)
    for release in found["releases"]:
        for one in (*release["shapes"], *release["steps"]):
            for finding in one["findings"]:
                assert finding["meaning"] in text
    assert text.count("modprobe kvm") == 1 + len(advice), "a cure is told once for the host, and once for a release"
