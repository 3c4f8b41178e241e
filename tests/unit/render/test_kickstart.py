"""Kickstart files, read by pykickstart as the installer of each Enterprise Linux would, and their script, run.

No installer runs here. The locks are made up, as no Enterprise Linux can be had.
"""

import io
import os
import re
import subprocess
from pathlib import Path

import msgspec
import pytest
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion

from builder.core.errors import InputFailure
from builder.inside.canonical import REGULAR, Entry, write_tar
from builder.lock.model import Blob, Lock
from builder.recipe.generation import generation
from builder.recipe.images import OciImage
from builder.recipe.model import Os
from builder.render.kickstart import kickstart, site_files
from builder.render.plan import plan
from builder.store.store import Store
from tests.unit.render.test_plan import RECIPE, TOOLS, lock, package
from tests.unit.render.test_shapes import SHAPES

LOCK_DIGEST = "sha256:" + "1" * 64
URL = "http://10.0.0.1/tiny/inputs/"
FILES = {
    "apply.sh": b'#!/bin/sh\nset -eu\ncat "$(dirname "$0")/site.pp"\n',
    "site.pp": b"node default { notify { '$HOME \\\\ `id`': } }\n",
    "modules/node/files/no-end": b"no newline",
    "modules/node/files/sections": b"%end\n%packages\n",
    "modules/node/files/binary": bytes(range(256)),
    "modules/node/files/empty": b"",
}
GENERATIONS = [5, 6, 7, 8, 9]


def system(family: str, version: str) -> Os:
    return msgspec.structs.replace(SHAPES.os, family=family, version=version)


def frozen(number: int) -> Lock:
    recipe = msgspec.structs.replace(SHAPES, os=system("el", f"{number}.4"))
    (repository,) = lock().repositories
    added = (package("kernel"), package("grub"), *(
        msgspec.structs.replace(package("glibc"), architecture=name, epoch=1, location=f"glibc-1-1.{name}.rpm")
        for name in ("i686", "x86_64")
    ))  # fmt: skip
    repository = msgspec.structs.replace(repository, packages=(*repository.packages, *added))
    return lock(
        recipe=recipe,
        repositories=(repository,),
        os_packages=(*lock().os_packages, "glibc-1:1-1.i686", "glibc-1:1-1.x86_64"),
        vm_packages=("grub-0:1-1.noarch", "kernel-0:1-1.noarch"),
    )


def made(number: int) -> str:
    return kickstart(frozen(number), FILES, URL, LOCK_DIGEST)


def read(number: int, text: str):
    handler = makeVersion(f"RHEL{number}")
    KickstartParser(handler).readKickstartFromString(text)  # a deprecated option is a warning, and that an error here
    return handler


@pytest.mark.parametrize("number", GENERATIONS)
def test_the_installer_of_each_generation_is_told_all_of_it(number):
    handler = read(number, made(number))
    assert handler.url.url == "http://10.0.0.1/tiny/inputs/repository"
    assert handler.bootloader.appendLine == "quiet vsyscall=emulate"
    root = next(part for part in handler.partition.partitions if part.mountpoint == "/")
    assert (root.fstype, root.size, root.grow) == ("ext3" if number == 5 else "ext4", 2048, True)
    (network,) = handler.network.network
    assert not network.onboot
    (script,) = handler.scripts
    assert script.inChroot
    assert script.errorOnFail == (number > 5)


@pytest.mark.parametrize("number", GENERATIONS)
def test_every_package_of_the_lock_is_named_and_no_other(number):
    listed = read(number, made(number)).packages
    names = ["boss", "glibc", "glibc", "grub", "kernel", "shell"]
    kinds = ["noarch", "i686", "x86_64", "noarch", "noarch", "noarch"]
    middle = "" if number == 5 else "-1-1"
    assert listed.packageList == [f"{name}{middle}.{kind}" for name, kind in zip(names, kinds, strict=True)]
    assert (listed.groupList, listed.excludedList) == ([], [])


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize("number", [5, 7])
def test_its_script_brings_the_template_and_applies_it(tmp_path, number, shell):
    ran = run_script(tmp_path, number, shell, installed(number))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == FILES["site.pp"].decode()
    for path, data in FILES.items():
        assert (tmp_path / "scratch" / path).read_bytes() == data
    assert (tmp_path / "ifcfg-eth0").read_text() == "DEVICE=eth0\nONBOOT=no\n"


@pytest.mark.parametrize("wrong", ["missing", "added"])
def test_its_script_fails_where_other_packages_are_installed_than_the_lock_names(tmp_path, wrong):
    there = installed(7)[1:] if wrong == "missing" else [*installed(7), "surprise-1-1.noarch"]
    ran = run_script(tmp_path, 7, "bash", there)
    assert ran.returncode == 1
    assert "what is installed is not what the lock names" in ran.stderr
    assert ("boss-1-1.noarch" if wrong == "missing" else "surprise-1-1.noarch") in ran.stderr
    assert not (tmp_path / "scratch").exists()


def installed(number: int) -> list[str]:
    lock = frozen(number)
    packages = [lock.package(nevra) for nevra in (*lock.boss_packages, *lock.os_packages, *lock.vm_packages)]
    return sorted(f"{p.name}-{p.version}-{p.release}.{p.architecture}" for p in packages)


def run_script(folder, number, shell, there):
    """Run the script with its absolute paths below `folder`, where `rpm` is a program that lists what is `there`."""
    (script,) = read(number, made(number)).scripts
    text = re.sub(r"/etc/sysconfig/network-scripts|/tmp\b", str(folder), script.script)
    text = text.replace("/.boss-builder", f"{folder}/scratch")
    (folder / "ifcfg-eth0").write_text("DEVICE=eth0\nONBOOT=yes\n")
    programs = folder / "programs"
    programs.mkdir()
    (programs / "rpm").write_text("#!/bin/sh\nprintf '%s\\n' gpg-pubkey-1-2.none " + " ".join(there) + "\n")
    (programs / "rpm").chmod(0o755)
    (folder / "post").write_text(text)
    return subprocess.run(
        [shell, folder / "post"],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_it_carries_what_the_stage_of_the_site_is_made_from(tmp_path):
    store = Store(tmp_path / "images")
    tree = io.BytesIO()
    manifest = Entry(b"manifests/init.pp", REGULAR, 0o644, 0, 0, 0, len(b"class node {}\n"))
    write_tar([(manifest, lambda: io.BytesIO(b"class node {}\n"))], tree)
    contents = {"puppet.manifest": b"include node\n", "puppet.module.node": tree.getvalue()}
    sources = {
        place: msgspec.structs.replace(
            lock().sources[place], blob=Blob(digest=store.put(contents[place]), size=len(contents[place]))
        )
        for place in contents
    }
    files = site_files(plan(lock(sources={**lock().sources, **sources}), TOOLS), store)
    assert files["site.pp"] == b"include node\n"
    assert files["modules/node/manifests/init.pp"] == b"class node {}\n"
    assert b"puppet apply" in files["apply.sh"]
    assert files.keys() == {"site.pp", "modules/node/manifests/init.pp", "apply.sh"}


def test_a_release_without_a_template_gets_none():
    bare = lock(recipe=msgspec.structs.replace(RECIPE, puppet=None))
    assert site_files(plan(bare, TOOLS), Store(Path("nowhere"))) == {}


def refused(lock: Lock) -> str:
    with pytest.raises(InputFailure) as caught:
        kickstart(lock, FILES, URL, LOCK_DIGEST)
    return str(caught.value)


def test_what_no_installer_can_make_is_refused():
    seven = frozen(7)

    def changed(**changes) -> Lock:
        return msgspec.structs.replace(seven, recipe=msgspec.structs.replace(seven.recipe, **changes))

    assert "no installer is known for the operating system tinyel 1" in refused(changed(os=system("tinyel", "1")))
    assert "asks for no virtual machine" in refused(changed(image=(OciImage(),)))
    assert "holds no boot loader" in refused(msgspec.structs.replace(seven, vm_packages=("kernel-0:1-1.noarch",)))


@pytest.mark.parametrize(
    ("family", "version", "number"),
    [("el5", "11", 5), ("slc", "6.9", 6), ("centos", "7", 7), ("EL", "9.4", 9), ("scientific", "5.11", 5),
     ("tinyel", "1", None), ("debian", "12", None), ("el", "rolling", None)],
    ids=str,
)  # fmt: skip
def test_the_generation_is_read_from_family_and_version(family, version, number):
    assert generation(system(family, version)) == number
