"""Exports: equal each time, whole or not at all, and of use to a person who has nothing of ours.

Every fenced block of HOWTO.md that is marked as a shell's is run here as it stands, or listed with the reason why not.
"""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import pytest

from builder.inside.canonical import WHITEOUT, merge
from tests.integration.spine import MINIBOSS, Ran, Workplace, link_tree, miniboss

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("export")]

BLOCK = re.compile(r"^```sh ([a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN = {
    "podman": "it starts no container where CAP_SYS_RESOURCE is missing; skopeo, which is run, reads as it does",
    "libvirt": "it takes a system's libvirtd and its folder of images",
    "mount": "it takes a loop device and the right to mount",
}
RUN = {"check", "docker", "skopeo", "apptainer", "squashfs", "qemu", "disk", "rpm", "testinfra"}
RUN |= {"rebuild", "by-hand", "apptainer-again"}
GZIP = b"\x1f\x8b"
APPTAINER = ("--security-opt", "seccomp=unconfined", "--device", "/dev/fuse", "--env", "APPTAINER_USERNS=1")
LATER_THAN_ALL = 1 << 33
SAID = "BOSS version: 1.0.0\nERROR! the jobOptions file is empty!\n"
REFUSED = (
    "ERROR! ApplicationMgr.TopAlg is empty; the toy can do: EvtDecay, BesSim; ToyRec, WriteDst; Ee; MuMu; PPbar; "
    "RhoPi; KsKpi\nexit code 1\n"
)
"""What boss.exe says to job options that ask for no algorithm."""


@pytest.fixture(scope="module")
def built() -> Workplace:
    return miniboss()


@pytest.fixture(scope="module")
def exported(built: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """All of the release; nobody may change it. The engine loses the name that HOWTO.md gave it."""
    folder = tmp_path_factory.mktemp("export") / "all"
    succeed(built.run("export", MINIBOSS, str(folder), "--inputs"))
    yield folder
    subprocess.run(["docker", "image", "rm", "miniboss:1.0.0"], capture_output=True, check=False)


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy to run commands in."""
    copy = tmp_path / "export"
    link_tree(exported, copy)
    return copy


def succeed(ran: Ran) -> Ran:
    assert ran.code == 0, ran.err
    return ran


def failed(ran: Ran, code: int, *said: str) -> None:
    assert ran.code == code, ran.err
    for words in said:
        assert words in ran.err
    assert "Traceback" not in ran.err


def blocks(folder: Path, kind: str) -> str:
    """The blocks of one kind as one script."""
    found = [text for name, text in BLOCK.findall((folder / "HOWTO.md").read_text("utf-8")) if name == kind]
    assert found, f"HOWTO.md has no block for {kind}"
    return "\n".join(found)


def shell(script: str, folder: Path, *, time_limit: float = 300, prefix: tuple[str, ...] = ()) -> str:
    """Run commands in an export; gives what they printed. The first that fails ends them."""
    with subprocess.Popen(
        [*prefix, "sh", "-euxc", script], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=time_limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # what it started holds its pipes too
            raise
    assert process.returncode == 0, out + err
    return out


def in_builder(folder: Path, *options: str) -> tuple[str, ...]:
    """Give what starts a command in the exported builder image, where the export is the current folder."""
    subprocess.run(
        ["docker", "load", "--quiet", "--input", folder / "inputs" / "builder-image.tar"],
        check=True,
        capture_output=True,
    )
    name = re.search(r"boss-builder/builder:[0-9a-f]+", (folder / "HOWTO.md").read_text("utf-8"))
    assert name is not None
    words = ("docker", "run", "--rm", "--network", "none", "--volume", f"{folder}:/export", "--workdir", "/export")
    return (*words, *options, name[0])


# -- HOWTO.md ------------------------------------------------------------------------------------------------------


def test_every_block_of_commands_is_run_here_or_is_listed_with_a_reason(exported):
    text = (exported / "HOWTO.md").read_text("utf-8")
    assert {name for name, _ in BLOCK.findall(text)} == RUN | set(NOT_RUN)
    assert text.count("\n```sh") == len(BLOCK.findall(text))


def test_the_checksums_hold_and_list_every_file(folder):
    said = shell(blocks(folder, "check"), folder)
    found, listed = said.split()
    assert found == listed
    assert int(found) > 200


def test_the_checksums_find_a_changed_file(folder):
    """Another byte in a file that nobody would look at."""
    victim = folder / "inputs" / "upstream" / "os" / "repodata" / "repomd.xml"
    data = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(data[:-1] + b"\t")
    for tool, sums in (("sha256sum", "SHA256SUMS"), ("md5sum", "MD5SUMS")):
        done = subprocess.run(
            [tool, "--check", "--quiet", sums], cwd=folder, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (1, "inputs/upstream/os/repodata/repomd.xml: FAILED\n")


def test_docker(folder):
    said = shell(blocks(folder, "docker"), folder)
    assert "Loaded image: miniboss:1.0.0" in said
    assert SAID in said
    assert (folder / "work" / "docker.log").read_text() == "BOSS version: 1.0.0\n" + REFUSED
    with tarfile.open(folder / "work" / "root.tar") as root:
        assert root.getmember("opt/miniboss/1.0.0/bin/boss.exe").mode & 0o777 == 0o755


def test_the_suite_of_the_recipe_runs_with_pytest_and_testinfra_alone(folder):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    said = shell(f"PATH={path}; docker load --input {MINIBOSS}.oci.tar\n{blocks(folder, 'testinfra')}", folder)
    assert re.search(r"\n=+ [0-9]+ passed in ", said)
    assert "a test failed" not in said


def test_docker_has_the_image_under_the_digests_that_howto_names(folder, built):
    text = (folder / "HOWTO.md").read_text("utf-8")
    digest = built.store.references()[MINIBOSS].digest
    manifest = shell(f"skopeo inspect --raw oci-archive:{MINIBOSS}.oci.tar", folder)
    config = shell(f"skopeo inspect --raw --config docker-archive:{MINIBOSS}.oci.tar", folder)
    assert "sha256:" + sha256(config.encode()).hexdigest() in text
    assert digest in text
    assert "sha256:" + sha256(manifest.encode()).hexdigest() == digest
    shell(f"docker load --input {MINIBOSS}.oci.tar", folder)
    assert shell("docker image inspect --format '{{.Id}}' miniboss:1.0.0", folder).strip() in text


def test_skopeo(folder):
    assert '"boss-builder.release": "miniboss-1.0.0"' in shell(blocks(folder, "skopeo"), folder)
    assert (folder / "work" / "layout" / "index.json").exists()


def test_apptainer_and_squashfs_tools(folder):
    prefix = in_builder(folder, *APPTAINER)
    said = shell(blocks(folder, "apptainer"), folder, prefix=prefix)
    assert said.count(SAID) == 2
    assert "boss-builder.release: miniboss-1.0.0" in said
    assert "Squashfs/*System" in said
    assert (folder / "work" / "apptainer.log").read_text() == "BOSS version: 1.0.0\n" + REFUSED
    assert "bes3:x:4100:4100" in shell(blocks(folder, "squashfs"), folder, prefix=prefix)


def test_qemu(folder):
    """Two boots under emulation. The disk stays as it is."""
    said = shell(blocks(folder, "qemu"), folder, time_limit=800)
    assert said.startswith(SAID)
    assert (folder / "work" / "out" / "boss.log").read_text() == "BOSS version: 1.0.0\n" + REFUSED
    shell("sha256sum --check --quiet SHA256SUMS", folder)


def test_the_start_script_ends_with_the_exit_code_of_the_command(folder):
    shell("mkdir work", folder)
    said = shell(
        f"CONSOLE=work/c sh ./{MINIBOSS}.sh sh -c 'echo \"it'\\''s\"; exit 7' || echo code $?", folder, time_limit=600
    )
    assert said == "it's\ncode 7\n"


def test_the_disk_in_other_formats(folder):
    said = shell(blocks(folder, "disk"), folder, prefix=in_builder(folder))
    assert f"work/{MINIBOSS}.raw: OK" in said
    assert re.search(r"^UUID=\S+ / ext4 defaults 0 0$", said, re.MULTILINE)
    assert (folder / "work" / f"{MINIBOSS}.vmdk").exists()


def test_the_signatures_of_the_packages(folder):
    prefix = in_builder(folder)
    shell(blocks(folder, "rpm"), folder, prefix=prefix)
    signatures = (folder / "work" / "signatures.txt").read_text().splitlines()
    assert len(signatures) == len(list((folder / "inputs" / "repository").glob("*.rpm")))
    assert all(line.endswith(": digests signatures OK") for line in signatures)
    one = "inputs/repository/miniboss-1.0.0-1.noarch.rpm"
    without = shell(f"rpmkeys --dbpath /tmp/nokeys --checksig {one} || echo refused", folder, prefix=prefix)
    assert without.endswith("refused\n")


# -- made again ----------------------------------------------------------------------------------------------------


def test_docker_build_makes_the_same_files_again_from_the_inputs(folder, tmp_path):
    tag = "miniboss:1.0.0-again"
    shell(blocks(folder, "rebuild"), folder, time_limit=900)
    try:
        subprocess.run(["docker", "save", "--output", tmp_path / "again.tar", tag], check=True)
    finally:
        subprocess.run(["docker", "image", "rm", tag], check=True, capture_output=True)
    assert image_files(tmp_path / "again.tar", tmp_path) == image_files(folder / f"{MINIBOSS}.oci.tar", tmp_path)


def test_the_definition_builds_an_apptainer_image_again(folder):
    prefix = in_builder(folder, *APPTAINER)
    shell(blocks(folder, "apptainer-again"), folder, prefix=prefix)


def test_dnf_puppet_tar_and_rpm_make_the_same_files_again_by_hand(folder, tmp_path):
    prefix = in_builder(folder, "--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined")
    shell(blocks(folder, "by-hand"), folder, prefix=prefix, time_limit=900)
    assert files([folder / "work" / "by-hand.tar"]) == image_files(folder / f"{MINIBOSS}.oci.tar", tmp_path)


Files = dict[bytes, tuple[object, ...]]


def files(layers: list[Path]) -> Files:
    """Path, and of each type, mode, owner, link, extended attributes and sha256 of the content: all but times."""
    with ExitStack() as stack:
        opened = [stack.enter_context(tarfile.open(path)) for path in layers]
        found: Files = {}
        for entry, opener in merge(opened, LATER_THAN_ALL, b".boss-builder"):
            if entry.path == b"." or entry.path.rpartition(b"/")[2].startswith(WHITEOUT):
                continue
            content = ""
            if opener is not None:
                with opener() as stream:
                    content = sha256(stream.read()).hexdigest()
            found[entry.path] = (
                entry.kind, entry.mode, entry.uid, entry.gid, entry.link, entry.attributes, entry.device, content,
            )  # fmt: skip
    assert len(found) > 5000
    return found


def image_files(archive: Path, scratch: Path) -> Files:
    """Files of a docker-archive, its layers plain or compressed."""
    paths = []
    with tarfile.open(archive) as opened:
        names = json.loads(content_of(opened, "manifest.json"))[0]["Layers"]
        for number, name in enumerate(names):
            data = content_of(opened, name)
            path = scratch / f"{archive.stem}-{number}.tar"
            path.write_bytes(gzip.decompress(data) if data.startswith(GZIP) else data)
            paths.append(path)
    return files(paths)


def content_of(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    assert member is not None
    return member.read()


def test_the_context_is_the_one_that_render_writes_but_for_the_root_of_the_operating_system(built, exported, tmp_path):
    succeed(built.run("render", MINIBOSS, str(tmp_path / "rendered")))
    (tmp_path / "rendered" / "os" / "root.tar").unlink()
    (tmp_path / "rendered" / "os").rmdir()
    shell(f"diff -r {tmp_path}/rendered inputs/context", exported)
    assert modes(tmp_path / "rendered") == modes(exported / "inputs" / "context")


def modes(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.lstat().st_mode for p in folder.rglob("*")}


# -- the same bytes ------------------------------------------------------------------------------------------------


def tree(folder: Path) -> dict[str, tuple[object, ...]]:
    def described(path: Path) -> tuple[object, ...]:
        status = path.lstat()
        if path.is_symlink():
            return status.st_mode, path.readlink()
        return status.st_mode, status.st_mtime_ns, sha256(path.read_bytes()).hexdigest() if path.is_file() else ""

    return {str(path.relative_to(folder)): described(path) for path in (folder, *folder.rglob("*"))}


def test_two_exports_in_two_folders_with_another_user_host_umask_and_time_zone_are_identical(built, exported, tmp_path):
    work = built.copy(tmp_path / "another" / "folder")
    for path in (tmp_path, work.folder, *work.folder.rglob("*")):
        if path.is_dir():
            os.chown(path, 4711, 4711)
    user = (
        "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups",
        "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
    )  # fmt: skip
    host = ("unshare", "--uts", "sh", "-c", 'hostname elsewhere && umask 077 && exec "$@"', "sh")
    environment = {"TZ": "Asia/Shanghai", "HOME": "/nonexistent", "LC_ALL": "C"}
    succeed(work.run("export", MINIBOSS, "two", "--inputs", prefix=(*host, *user), environment=environment))
    assert tree(work.folder / "two") == tree(exported)


def test_an_export_tells_nothing_of_this_machine(exported, built):
    words = [str(built.folder), str(Path.cwd()), str(exported)]
    pattern = re.compile("|".join(map(re.escape, words)).encode())
    assert [path for path in exported.rglob("*") if path.is_file() and pattern.search(path.read_bytes())] == []


def test_an_export_without_inputs_has_the_same_images_and_describes_what_is_there(built, exported, tmp_path):
    done = succeed(built.run("export", MINIBOSS, str(tmp_path / "one"), "--image", "oci", "--json")).json
    assert (done["images"], done["inputs"]) == (["oci"], False)
    assert done["files"] == sorted(
        str(p.relative_to(tmp_path / "one")) for p in (tmp_path / "one").rglob("*") if p.is_file()
    )
    name = f"{MINIBOSS}.oci.tar"
    assert (tmp_path / "one" / name).read_bytes() == (exported / name).read_bytes()
    text = (tmp_path / "one" / "HOWTO.md").read_text("utf-8")
    assert {kind for kind, _ in BLOCK.findall(text)} == {
        "check",
        "docker",
        "podman",
        "skopeo",
        "apptainer",
        "testinfra",
    }
    assert not re.search(r"qemu|\.sif`|virsh|inputs/", text)
    shell(blocks(tmp_path / "one", "check"), tmp_path / "one")


def test_what_the_validation_said_comes_with_the_image(built, tmp_path):
    work = built.copy(tmp_path / "work")
    succeed(work.run("validate", MINIBOSS, "--image", "oci"))
    succeed(work.run("export", MINIBOSS, "x", "--image", "oci", "--image", "sif"))
    found = sorted(str(path.relative_to(work.folder / "x")) for path in (work.folder / "x" / "evidence").rglob("*.*"))
    assert found == [f"evidence/oci/{name}" for name in ("junit.xml", "summary.txt", "validation.json")]
    assert "- `evidence/oci/summary.txt`: PASSED" in (work.folder / "x" / "HOWTO.md").read_text("utf-8")


# -- bad input -----------------------------------------------------------------------------------------------------


def nothing_left(folder: Path) -> bool:
    """Whether an export that failed left neither a folder nor a part of one."""
    return not folder.exists() and [p.name for p in folder.parent.glob(f".{folder.name}*")] == []


def test_a_release_that_nobody_knows(built, tmp_path):
    failed(built.run("export", "miniboss-9.9", str(tmp_path / "x")), 2, "miniboss-9.9")
    assert nothing_left(tmp_path / "x")


def test_an_image_that_was_not_built(built, tmp_path):
    work = built.copy(tmp_path / "work", without="image/")
    failed(
        work.run("export", MINIBOSS, "x", "--image", "oci", "--image", "vm"),
        2,
        "has no vm image of",
        "boss-builder build",
    )
    work.store.remove_reference(MINIBOSS)
    failed(work.run("export", MINIBOSS, "x"), 2, "has no image of miniboss-1.0.0", "boss-builder build miniboss-1.0.0")
    assert nothing_left(work.folder / "x")


@pytest.mark.parametrize("target", ["full", "file", "images/x", "images", "/proc/nosuch/x"])
def test_a_folder_that_can_not_be_the_export(built, tmp_path, target):
    work = built.copy(tmp_path / "work")
    (work.folder / "full").mkdir()
    (work.folder / "full" / "mine").write_text("mine")
    (work.folder / "file").write_text("mine")
    messages = {
        "full": (2, "full is not empty"),
        "file": (2, "file is not a folder"),
        "images/x": (2, "lies in the store"),
        "images": (2, "lies in the store"),
        "/proc/nosuch/x": (4, "can not be written"),
    }
    failed(work.run("export", MINIBOSS, target), *messages[target])
    assert sorted(p.name for p in work.folder.iterdir()) == ["file", "full", "images", "recipes"]
    assert (work.folder / "full" / "mine").read_text() == "mine"


def damage(path: Path, *, cut: bool) -> None:
    """Alter a blob, without touching the cached store that it is linked to."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    path.write_bytes(data[:-1] if cut else data)


@pytest.mark.parametrize("cut", [False, True], ids=["altered", "truncated"])
@pytest.mark.parametrize("what", ["oci", "sif", "vm", "package", "lock"])
def test_a_damaged_blob_is_found_and_nothing_is_written(built, tmp_path, what, cut):
    work = built.copy(tmp_path / "work")
    store = work.store
    references = {"oci": MINIBOSS, "sif": f"image/{MINIBOSS}/sif", "vm": f"image/{MINIBOSS}/vm"}
    inputs = store.manifest(store.references()[f"inputs/{MINIBOSS}"])
    if what in references:
        blob = store.manifest(store.references()[references[what]]).layers[0]
    elif what == "package":
        blob = next(
            b for b in inputs.layers if b.annotations.get("org.opencontainers.image.title", "").endswith(".rpm")
        )
    else:
        blob = store.references()[MINIBOSS]
    damage(store.blob_path(blob.digest), cut=cut)
    failed(work.run("export", MINIBOSS, "new/x", "--inputs"), 4, blob.digest, "is damaged", "boss-builder verify")
    assert not (work.folder / "new").exists()


def test_a_lock_that_changed_after_the_build(built, tmp_path):
    work = built.copy(tmp_path / "work")
    path = work.lock(MINIBOSS)
    path.write_text(path.read_text().replace('"revision": "1577836800"', '"revision": "1577836801"'))
    failed(
        work.run("export", MINIBOSS, "x"), 2, "was not built from its present lock", "boss-builder build miniboss-1.0.0"
    )


ON_TMPFS = 'mount -t tmpfs -o "$1" none small; shift; "$@"; code=$?; ls -A small >&2; exit $code'


@pytest.mark.parametrize(
    ("options", "said"), [("size=64m", "has room for"), ("size=2g,nr_inodes=40", "No space left on device")]
)
def test_no_space(built, tmp_path, options, said):
    """A file system in memory that is too small, and one that runs full on the way."""
    work = Workplace(tmp_path, built.variables)
    (tmp_path / "small").mkdir()
    prefix = ("unshare", "--map-root-user", "--mount", "sh", "-c", ON_TMPFS, "sh", options)
    places = ("--recipes", str(built.recipes), "--store", str(built.store.path))
    ran = work.run("export", MINIBOSS, "small/x", "--image", "oci", *places, prefix=prefix)
    failed(ran, 4, said)
    assert ran.err.splitlines()[-1].startswith(("    ", "export"))  # and no file after the error's hint


def test_an_interrupted_export_leaves_nothing(built, tmp_path):
    work = built.copy(tmp_path / "work")
    with work.start("export", MINIBOSS, "new/x", "--inputs") as process:
        wait_for(lambda: next((work.folder / "new").glob(".x.*/*.oci.tar"), None))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 130
    assert not (work.folder / "new").exists()


def test_what_a_killed_export_left_is_removed_by_the_next(built, tmp_path):
    work = built.copy(tmp_path / "work")
    with work.start("export", MINIBOSS, "x", "--image", "oci") as process:
        wait_for(lambda: next(work.folder.glob(".x.*/*.oci.tar"), None))
        process.kill()
    assert not (work.folder / "x").exists()
    assert list(work.folder.glob(".x.*")) != []
    succeed(work.run("export", MINIBOSS, "x", "--image", "oci"))
    assert sorted(path.name for path in work.folder.iterdir()) == ["images", "recipes", "x"]


def wait_for(something, time_limit: float = 60) -> None:
    end = time.monotonic() + time_limit
    while not something():
        assert time.monotonic() < end
        time.sleep(0.002)
