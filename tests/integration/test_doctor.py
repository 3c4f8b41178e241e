"""`doctor` on real kernels and broken hosts, and `run` where the kernel lacks what an old system needs."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from builder.core.digest import Digest
from builder.doctor import containers, vsyscall
from builder.doctor.model import EngineProbe, State
from builder.doctor.vsyscall import probe, program
from builder.engine.engine import OWNER, Engine
from builder.engine.owner import own_name
from builder.lock import file as lock_file
from builder.lock.model import LOCK_VERSION, Blob, Lock
from builder.recipe.model import Os, Package, Recipe, Release, RpmRepository, RpmSource
from builder.store import oci
from builder.store.shapes import LOCK_ANNOTATION, VM_CONFIG, VM_DISK, VM_TYPE, reference
from tests.integration.apptainer import path_without
from tests.integration.spine import Ran, Workplace
from tests.integration.tiny_vm import CONFIG, kernel_image, tiny_disk

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("vm")]
NOWHERE = 0xFFFFFFFFFF700400
"""An address of the kernel's half where no page ever is: what the page [vsyscall] is with vsyscall=none."""
NO_PAGE = f"""
from builder.cli.main import main
from builder.doctor import vsyscall

program = vsyscall.program
vsyscall.program = lambda: program({NOWHERE})
main()
"""
"""The command on a host whose kernel has no such page: the program that tries it dies for real."""
RELEASE = "old-1.0"
RECIPE = Recipe(
    release=Release(name="old", version="1.0", title="Old 1.0", date=dt.date(2020, 3, 1), license="MIT"),
    os=Os(
        family="sl",
        version="6.10",
        architecture="x86_64",
        packages=("shell",),
        rpm_repository=(RpmRepository(name="os", url="http://vault.example/os"),),
    ),
    package=Package(name="boss", source=RpmSource(url="http://vault.example/boss", packages=("boss",))),
)


# -- the program that tries the page, on kernels of its own ---------------------------------------------------------


def archive(data: bytes) -> bytes:
    """An initramfs whose only file is /init, in the format `newc` (Linux, Documentation/driver-api/early-userspace)."""

    def entry(name: str, mode: int, content: bytes) -> bytes:
        words = (1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % word for word in words) + name.encode() + b"\0"
        return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)

    return entry("init", 0o100755, data) + entry("TRAILER!!!", 0, b"")


@pytest.mark.parametrize(("mode", "code"), [("none", "0x0000000b"), ("emulate", "0x00000000")])
def test_the_program_lives_or_dies_by_what_the_kernel_was_booted_with(mode: str, code: str, tmp_path: Path) -> None:
    """It is the init of a kernel, which panics when init ends, and says how: signal 11, or well."""
    tiny_disk()  # makes the kernel too, one process at a time
    (tmp_path / "initrd").write_bytes(archive(program()))
    words = ["qemu-system-x86_64", "-nodefaults", "-accel", "tcg", "-m", "256M", "-display", "none", "-no-reboot"]
    words += ["-serial", "stdio", "-kernel", str(kernel_image()), "-initrd", str(tmp_path / "initrd")]
    words += ["-append", f"console=ttyS0 panic=-1 vsyscall={mode}"]
    ran = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=True)
    console = ran.stdout.decode("ascii", "replace")
    assert f"Attempted to kill init! exitcode={code}" in console, console
    assert ("vsyscall attempted with vsyscall=none" in console) == (mode == "none")


def test_an_engine_on_another_kernel_is_asked_by_a_container(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = EngineProbe(state=State.OK, found="", kernel="another")
    before = {image["Id"] for image in engine.client.api.images(all=True)}
    assert containers.probe(elsewhere, probe()).state is probe().state
    monkeypatch.setattr(vsyscall, "program", lambda: program(NOWHERE))
    assert containers.probe(elsewhere, probe()).mode == "none"
    own = engine.client.api.images(filters={"label": f"{OWNER}={own_name()}"})
    assert [image for image in own if image["Id"] not in before] == [], "nothing is left"


# -- hosts --------------------------------------------------------------------------------------------------------


def test_this_host_is_told_and_nothing_of_it_is_changed(place: Workplace) -> None:
    before = place.contents()
    ran = place.run("doctor", "--json")
    assert ran.json["host"]["engine"]["state"] == "OK", ran.err
    assert ran.json["host"]["engine"]["here"] is True
    assert ran.json["host"]["kvm"]["state"] in {"OK", "WARNING"}
    assert ran.json["host"]["vsyscall"]["mode"] == probe().mode
    assert place.contents() == before


def test_a_host_that_lacks_everything_is_told_what_and_how_to_cure_it(place: Workplace, tmp_path: Path) -> None:
    folder = place.recipes / "tiny-1.0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.hcl").write_text(TINY)
    broken = {
        "DOCKER_HOST": "unix:///no/such/socket",
        "PATH": path_without(tmp_path / "bin", "qemu-system-x86_64", "apptainer", "singularity"),
    }
    ran = place.run("doctor", "tiny-1.0", environment=broken)
    assert ran.code == 1, ran.err
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    for line in (
        "engine MISSING no Docker Engine answers",
        "apptainer MISSING apptainer is not installed",
        "qemu MISSING qemu-system-x86_64 is not installed",
        "oci MISSING can not be started here",
        "vm MISSING can not be started here",
        "apt-get install qemu-system-x86, or dnf install qemu-kvm",
    ):
        assert line in lines
    assert place.run("doctor", "tiny-1.0", "--image", "oci").code == 0, "the same host, not broken"


TINY = """
release "tiny" "1.0" {
  title   = "Tiny 1.0"
  date    = "2020-03-01"
  license = "MIT"
}

os {
  family       = "almalinux"
  version      = "9"
  architecture = "x86_64"
  packages     = ["shell"]

  rpm_repository "os" {
    url      = "http://vault.example.org/os/"
    gpgcheck = false
  }
}

package "boss" {
  source "rpm_repository" {
    url      = "http://vault.example.org/boss/"
    packages = ["boss"]
    gpgcheck = false
  }
}

image "vm" {
  packages = ["kernel"]
}
"""


# -- run ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(make_image, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A store with a release of an Enterprise Linux 6, as a container and as a machine."""
    work = Workplace(tmp_path_factory.mktemp("place"))
    store = work.store
    nothing = Blob(digest=str(Digest.of(b"")), size=0)
    lock = Lock(
        version=LOCK_VERSION,
        recipe=RECIPE,
        recipe_files={},
        builder_image=nothing,
        repositories=(),
        os_packages=(),
        frozen_repository={},
        sources={},
    )
    annotations = {LOCK_ANNOTATION: str(store.put(lock_file.encode(lock)))}
    image = make_image(store, RELEASE, files={"old": program(NOWHERE)}, annotations=annotations)
    digest, size = store.put_copy(tiny_disk())
    config = msgspec.json.encode(CONFIG)
    store.put_manifest(
        oci.Manifest(
            config=oci.Descriptor(media_type=VM_CONFIG, digest=store.put(config), size=len(config)),
            layers=(oci.Descriptor(media_type=VM_DISK, digest=digest, size=size),),
            artifact_type=VM_TYPE,
            subject=oci.Descriptor(media_type=image.media_type, digest=image.digest, size=image.size),
            annotations=annotations,
        ),
        reference(RELEASE, "vm"),
    )
    return work


def run_without_the_page(place: Workplace, *words: str) -> Ran:
    done = subprocess.run(
        [sys.executable, "-c", NO_PAGE, "run", RELEASE, *words],
        cwd=place.folder, env=place.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def test_an_old_system_is_run_in_the_machine_where_the_kernel_lacks_the_page(place: Workplace) -> None:
    ran = run_without_the_page(place, "--", "echo", "hello")
    assert (ran.code, ran.out) == (0, "hello\n"), ran.err
    reason = " as vm: its programs die on this kernel, which has vsyscall=none, and "
    assert reason in ran.err.splitlines()[0]


OLD_PROGRAM = ("--as", "oci", "--", "sh", "-c", "busybox chmod 755 /old && exec /old")


def test_in_a_container_it_dies_and_the_cause_and_the_cure_are_told(place: Workplace) -> None:
    ran = run_without_the_page(place, *OLD_PROGRAM)
    assert ran.code == 139, ran.err
    first, *_ = ran.err.splitlines()
    assert first.startswith("its programs die on this kernel, which has vsyscall=none"), "it is told beforehand"
    assert "the command died of SIGSEGV: its programs die on this kernel, which has vsyscall=none" in ran.err
    assert ran.err.endswith(f"boss-builder run {RELEASE} --as vm\n")


def test_where_the_page_is_there_a_death_has_another_cause(place: Workplace) -> None:
    ran = place.run("run", RELEASE, *OLD_PROGRAM)
    assert ran.code == 139, ran.err
    assert ("vsyscall" in ran.err) == (probe().state is not State.OK)
