"""What is rendered for Apptainer and for a virtual machine: exact texts, and what decides a disk's bytes."""

import shlex
import subprocess
import xml.etree.ElementTree as ET

import msgspec
import pytest

from builder.core.digest import Digest
from builder.lock.model import Lock
from builder.recipe.images import OciImage, SifImage, VmImage
from builder.recipe.model import Recipe
from builder.render.plan import plan
from builder.render.sif import definition
from builder.render.vm import disk_ids, domain, file_system, start_script
from builder.store.shapes import VmConfig
from tests.unit.render.test_plan import RECIPE, TOOLS, golden, lock, package

VM = VmImage(disk="2GiB", packages=("kernel",), kernel_arguments=("quiet", "vsyscall=emulate"), uefi=True)
SHAPES = msgspec.structs.replace(RECIPE, image=(OciImage(), SifImage(command=("bash", "-l")), VM))
CONFIG = VmConfig(  # noqa: S604 - `shell` is a serial port
    architecture="x86_64",
    memory=1 << 30,
    processors=2,
    disk_bus="virtio",
    disk_size=2 << 30,
    raw_digest="sha256:" + "2" * 64,
    firmware=("bios", "uefi"),
    console="ttyS0",
    shell="ttyS1",
)
LOCK_DIGEST = "sha256:" + "1" * 64


def with_kernel(recipe: Recipe = SHAPES) -> Lock:
    (repository,) = lock().repositories
    kernel = msgspec.structs.replace(repository, packages=(*repository.packages, package("kernel")))
    return lock(recipe=recipe, repositories=(kernel,), vm_packages=("kernel-0:1-1.noarch",))


def with_vm(**changes) -> Recipe:
    return msgspec.structs.replace(SHAPES, image=(OciImage(), msgspec.structs.replace(VM, **changes)))


def test_the_rendered_texts_are_the_reviewed_ones():
    stage = plan(with_kernel(), TOOLS).vm
    assert stage is not None
    golden("definition.def", definition(with_kernel(), LOCK_DIGEST))
    golden("vm-install.sh", next(i.text for i in stage.inputs if i.path == "vm/install.sh"))
    golden("start.sh", start_script(SHAPES, CONFIG))
    golden("domain.xml", domain(SHAPES, CONFIG, disk_ids(Digest.of(b"root"))))


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_shell_can_read_the_scripts(tmp_path, shell):
    stage = plan(with_kernel(), TOOLS).vm
    assert stage is not None
    for text in (next(i.text for i in stage.inputs if i.path == "vm/install.sh"), start_script(SHAPES, CONFIG)):
        (tmp_path / "script").write_text(text, "utf-8")
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)


def test_a_value_of_the_environment_is_quoted_for_the_shell():
    text = definition(with_kernel(), LOCK_DIGEST)
    line = next(line for line in text.splitlines() if "BES_RELEASE" in line)
    assert shlex.split(line) == ["export", 'BES_RELEASE=a "quoted" $value']


def test_what_a_title_says_stays_text_in_xml():
    release = msgspec.structs.replace(RECIPE.release, title='a < b & "c"')
    recipe = msgspec.structs.replace(SHAPES, release=release)
    parsed = ET.fromstring(domain(recipe, CONFIG, disk_ids(Digest.of(b"root"))))  # noqa: S314 - our own text
    assert parsed.findtext("title") == 'a < b & "c"'


def test_a_title_of_two_lines_ends_no_comment():
    recipe = msgspec.structs.replace(SHAPES, release=msgspec.structs.replace(RECIPE.release, title="a\nreboot"))
    assert "reboot" not in start_script(recipe, CONFIG).splitlines()
    assert "\nreboot" not in definition(with_kernel(recipe), LOCK_DIGEST)


def test_without_a_virtual_machine_there_is_no_stage_for_it():
    assert plan(lock(), TOOLS).vm is None


def test_the_stage_of_the_machine_changes_no_key_of_the_root():
    assert plan(with_kernel(), TOOLS).stages == plan(lock(), TOOLS).stages


def test_the_key_of_the_stage_depends_on_what_it_writes_and_on_the_root():
    def key(value: Lock) -> Digest:
        stage = plan(value, TOOLS).vm
        assert stage is not None
        return stage.key

    before = key(with_kernel())
    assert key(with_kernel(with_vm(kernel_arguments=()))) != before
    assert key(msgspec.structs.replace(with_kernel(), vm_packages=())) != before
    other_root = msgspec.structs.replace(with_kernel(), os_packages=("shell-0:1-1.noarch", "kernel-0:1-1.noarch"))
    assert key(other_root) != before
    assert key(with_kernel(with_vm(memory="4GiB", disk="9GiB", processors=8))) == before


def test_the_names_of_a_disk_come_from_its_root_and_differ_from_each_other():
    one, two = disk_ids(Digest.of(b"one")), disk_ids(Digest.of(b"two"))
    names = [one.disk, one.root, *one.partitions.values(), two.disk, two.root, *two.partitions.values()]
    assert len(set(names)) == len(names)
    assert disk_ids(Digest.of(b"one")) == one


def test_the_file_system_is_one_that_the_guest_knows():
    five = msgspec.structs.replace(RECIPE, os=msgspec.structs.replace(RECIPE.os, family="el5"))
    assert file_system(five).kind == "ext3"
    assert file_system(RECIPE).kind == "ext4"
    for later in ("64bit", "metadata_csum", "orphan_file"):
        assert later not in file_system(RECIPE).features
