"""Building: the same lock gives the same bytes, without a network, whatever the host looks like, whatever kills it.

The example release is built: its operating system is made of Debian binaries and stands in for an Enterprise Linux.
"""

import json
import os
import random
import re
import secrets
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from builder.engine.archive import read_layer
from builder.engine.engine import OWNER
from builder.inside.canonical import REGULAR, HashingWriter, merge
from builder.store.verify import verify
from tests.integration.spine import COMMAND, MINIBOSS, Ran, Workplace, example_upstream, miniboss

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("miniboss")]


@pytest.fixture(scope="module")
def built() -> Workplace:
    return miniboss()


def digests(ran: Ran) -> dict[str, str]:
    """Digest of the image in each shape."""
    assert ran.code == 0, ran.err
    return {image["shape"]: image["digest"] for image in ran.json["images"]}


def built_again(work: Workplace) -> dict[str, str]:
    return digests(work.run("build", MINIBOSS, "--json", time_limit=1200))


def failed(ran: Ran, code: int, *said: str) -> None:
    assert ran.code == code, ran.err
    for words in said:
        assert words in ran.err
    assert "Traceback" not in ran.err


def unbuilt(built: Workplace, folder: Path) -> Workplace:
    """A copy whose store knows of no stage and no image."""
    work = built.copy(folder, without="stage/")
    for reference in (MINIBOSS, *work.store.references("image/")):
        work.store.remove_reference(reference)
    return work


# -- the same bytes ------------------------------------------------------------------------------------------------


def tree(layers: list[tarfile.TarFile]) -> dict[bytes, tuple]:
    """Every path of a root with what is compared: all but times, which a plain docker build does not control."""
    found = {}
    for entry, opener in merge(layers, 2**40, b".boss-builder"):
        content = None
        if entry.kind == REGULAR and opener is not None:
            hashing = HashingWriter(None)
            with opener() as stream:
                hashing.write(stream.read())
            content = hashing.digest
        found[entry.path] = (entry.kind, oct(entry.mode), entry.uid, entry.gid, entry.link, entry.attributes, content)
    return found


def test_docker_build_by_hand_in_the_rendered_context_gives_the_same_root(built, tmp_path):
    context = tmp_path / "context"
    ran = built.run("render", MINIBOSS, str(context))
    assert ran.code == 0, ran.err
    tag = f"boss-builder-test/{tmp_path.name.lower()}:by-hand"
    plain = {**os.environ, "DOCKER_BUILDKIT": "0"}
    subprocess.run(
        ["docker", "build", "--quiet", "--no-cache", "--network", "none", "--tag", tag, "."],
        cwd=context, env=plain, check=True, capture_output=True,
    )  # fmt: skip
    try:
        subprocess.run(["docker", "save", "--output", tmp_path / "saved.tar", tag], check=True)
        inspected = json.loads(subprocess.run(["docker", "inspect", tag], check=True, capture_output=True).stdout)[0]
    finally:
        subprocess.run(["docker", "rmi", "--force", tag], check=True, capture_output=True)
    with tarfile.open(tmp_path / "saved.tar") as saved:
        names = json.load(saved.extractfile("manifest.json"))[0]["Layers"]
        with ExitStack() as stack:
            by_hand = tree([stack.enter_context(tarfile.open(fileobj=saved.extractfile(name))) for name in names])
    manifest = built.store.manifest(built.store.find(MINIBOSS))
    with ExitStack() as stack:
        layers = []
        for number, layer in enumerate(manifest.layers):
            path = tmp_path / f"{number}.tar"
            with path.open("wb") as sink:
                for chunk in read_layer(built.store, layer):
                    sink.write(chunk)
            layers.append(stack.enter_context(tarfile.open(path)))
        ours = tree(layers)
    assert {p for p in by_hand if by_hand[p] != ours.get(p)} | (ours.keys() - by_hand.keys()) == set()
    config = json.loads(built.store.read(manifest.config.digest))["config"]
    assert sorted(inspected["Config"]["Env"]) == sorted(config["Env"])
    assert inspected["Config"]["Cmd"] == config["Cmd"]


def test_a_rendered_context_is_the_same_each_time_and_is_not_written_over(built, tmp_path):
    for name in ("one", "two"):
        assert built.run("render", MINIBOSS, str(tmp_path / name)).code == 0
    assert subprocess.run(["diff", "-r", tmp_path / "one", tmp_path / "two"], check=False).returncode == 0
    failed(built.run("render", MINIBOSS, str(tmp_path / "one")), 2, "is not empty", "name a new folder")


# -- no network ------------------------------------------------------------------------------------------------------


BLOCK = re.compile(r'\n  (?:sample|observable) "([^"]+)" \{\n.*?\n  \}\n', re.DOTALL)
KEPT = {"ee", "ee-spectra", "ee-angles"}
SHORT_SUITE = 'def test_boss_says_its_version(host):\n    assert "BOSS version: 1.0.0" in host.run("boss.exe").stdout\n'


def validated_shortly(work: Workplace) -> None:
    """Let the release be validated with one sample and one check of its own: an emulated machine takes long for all."""
    base = work.recipes / "miniboss"
    text, found = BLOCK.subn(lambda block: block[0] if block[1] in KEPT else "", (base / "recipe.hcl").read_text())
    assert found > len(KEPT)
    (base / "recipe.hcl").write_text(text)
    shutil.rmtree(base / "validation")
    (base / "validation").mkdir()
    (base / "validation" / "test_boss.py").write_text(SHORT_SUITE)
    ran = work.run("freeze", MINIBOSS)
    assert ran.code == 0, ran.err


@contextmanager
def engine_events(path: Path) -> Iterator[None]:
    """Write what the engine does to a file meanwhile, a line of JSON each; it remembers but a few hundred itself."""
    words = ["docker", "events", "--since", str(int(time.time())), "--format", "{{json .}}"]
    last = f"boss-builder-test/{secrets.token_hex(8)}:last-event"
    images = ["docker", "images", "--quiet", "--filter", "reference=boss-builder/builder"]
    with path.open("wb") as sink, subprocess.Popen(words, stdout=sink) as watcher:
        try:
            yield
            image = subprocess.run(images, check=True, capture_output=True, text=True).stdout.split()[0]
            subprocess.run(["docker", "tag", image, last], check=True)
            subprocess.run(["docker", "rmi", last], check=True, capture_output=True)
            end = time.monotonic() + 60
            while last not in path.read_text():
                assert time.monotonic() < end
                time.sleep(0.1)
        finally:
            watcher.terminate()


def networks_joined(events: list[dict], processes: set[str]) -> set[str]:
    """Names of the networks that containers of some processes were joined to; others may use the engine too."""
    owners = {
        event["Actor"]["ID"]: event["Actor"]["Attributes"][OWNER].split(":")[1]
        for event in events
        if event["Type"] == "container" and OWNER in event["Actor"]["Attributes"]
    }
    assert set(owners.values()) & processes
    return {
        event["Actor"]["Attributes"]["name"]
        for event in events
        if event["Type"] == "network" and owners.get(event["Actor"]["Attributes"].get("container")) in processes
    }


@pytest.mark.timeout(1800)
def test_build_and_validation_make_no_network_connection(built, tmp_path):
    """Our processes run where there is no network at all, and are traced; our containers are joined to none."""
    work = built.copy(tmp_path / "work", without="stage/boss/")
    validated_shortly(work)
    processes = set()
    with engine_events(tmp_path / "events"):
        for command in ("build", "validate"):
            trace = tmp_path / f"{command}.strace"
            prefix = (
                "unshare", "--net", "strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=connect,sendto,sendmsg",
                "-o", str(trace),
            )  # fmt: skip
            ran = work.run(command, MINIBOSS, "--json", prefix=prefix, time_limit=1500)
            assert ran.code == 0, ran.err
            images = ran.json["images"]
            assert [image.get("shape") or image["image"]["shape"] for image in images] == ["oci", "sif", "vm"]
            calls = trace.read_text()
            assert "AF_UNIX" in calls  # the engine's socket: the trace does see connections
            assert not re.search(r"AF_INET6?\b", calls)
            processes |= {line.split(maxsplit=1)[0] for line in calls.splitlines()}
    events = [json.loads(line) for line in (tmp_path / "events").read_text().rpartition("\n")[0].splitlines()]
    assert networks_joined(events, processes) == {"none"}


# -- plain tools ----------------------------------------------------------------------------------------------------


def test_skopeo_docker_and_coreutils_read_the_store(built, tmp_path):
    images = built.folder / "images"
    inspected = subprocess.run(
        ["skopeo", "inspect", f"oci:{images}:{MINIBOSS}"], check=True, capture_output=True, text=True
    ).stdout
    assert json.loads(inspected)["Digest"] == built_again(built)["oci"]
    archive = tmp_path / "miniboss.tar"
    tag = f"boss-builder-test/{tmp_path.name.lower()}:copied"
    subprocess.run(
        ["skopeo", "copy", "--quiet", f"oci:{images}:{MINIBOSS}", f"docker-archive:{archive}:{tag}"], check=True
    )
    subprocess.run(["docker", "load", "--quiet", "--input", archive], check=True, capture_output=True)
    try:
        said = subprocess.run(
            ["docker", "run", "--rm", "--network", "none", tag, "boss.exe"], capture_output=True, text=True, check=False
        )
    finally:
        subprocess.run(["docker", "rmi", "--force", tag], check=True, capture_output=True)
    assert said.stdout.splitlines()[0] == "BOSS version: 1.0.0"
    assert said.returncode != 0
    check = "printf '%s\\n' * | sed 's/.*/&  &/' | sha256sum -c --strict --quiet"
    assert subprocess.run(check, shell=True, cwd=images / "blobs" / "sha256", check=False).returncode == 0  # noqa: S602


# -- what is built already -------------------------------------------------------------------------------------------


def test_with_nothing_to_do_no_engine_is_asked(built):
    ran = built.run("build", MINIBOSS, "--json", environment={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    assert ran.code == 0, ran.err
    assert all(stage["stored"] for stage in ran.json["stages"])


SAME_PACKAGE = """
package "boss" {
  source "rpm_repository" {
    url           = "${var.upstream}/miniboss/x86_64/"
    packages      = ["miniboss-1.0.0"]
    gpg_keys      = ["${var.upstream}/miniboss/x86_64/RPM-GPG-KEY-miniboss"]
    gpgcheck      = true
    repo_gpgcheck = true
  }
}

bookkeeping {
  release = "1.0.0"
}
"""
"""Makes of another release one with the package and the constants of 1.0.0, so that nothing need be fetched."""


def test_another_release_on_the_same_base_shares_its_stages(built, tmp_path):
    work = built.copy(tmp_path / "work")
    other = work.recipes / "miniboss-1.0.1"
    shutil.copytree(work.recipes / MINIBOSS, other)
    recipe = other / "recipe.hcl"
    text = re.sub(r'release "miniboss" "1\.0\.0"', 'release "miniboss" "1.0.1"', recipe.read_text())
    text = re.sub(r'date( *)= "2020-\d\d-\d\d"', r'date\1= "2020-09-01"', text)
    recipe.write_text(text + SAME_PACKAGE)
    ran = work.run("freeze", "miniboss-1.0.1")
    assert ran.code == 0, ran.err
    ran = work.run("build", "miniboss-1.0.1", "--image", "vm", "--json")
    assert ran.code == 0, ran.err
    assert [s["name"] for s in ran.json["stages"] if not s["stored"]] == ["boss", "vm"]
    assert not set(digests(ran).values()) & set(built_again(built).values())


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_without_an_engine_the_cure_is_named(built, tmp_path):
    work = built.copy(tmp_path / "work", without="stage/boss/")
    ran = work.run("build", MINIBOSS, environment={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    failed(ran, 3, "no Docker Engine answers", "DOCKER_HOST")


def test_without_a_lock_the_next_command_is_named(built, tmp_path):
    work = built.copy(tmp_path / "work")
    work.lock(MINIBOSS).unlink()
    failed(work.run("build", MINIBOSS), 2, "is not frozen", f"boss-builder freeze {MINIBOSS}")


def test_a_recipe_that_changed_after_it_was_frozen_is_refused(built, tmp_path):
    work = built.copy(tmp_path / "work")
    with (work.recipes / "tinyel-1" / "recipe.hcl").open("a") as base:
        base.write("\n# a remark\n")
    failed(work.run("build", MINIBOSS), 2, "tinyel-1/recipe.hcl changed after it was frozen", "boss-builder freeze")


def test_a_damaged_lock_is_the_inputs_fault(built, tmp_path):
    work = built.copy(tmp_path / "work")
    work.lock(MINIBOSS).write_text("{}")
    failed(work.run("build", MINIBOSS), 2, "is not a lock", "--update")


def test_the_store_alone_suffices_to_build_and_to_render(built, tmp_path):
    work = built.copy(tmp_path / "work", without="stage/boss/")
    shutil.rmtree(work.recipes)
    ran = work.run("build", MINIBOSS, "--image", "oci", "--json")
    assert ran.code == 0, ran.err
    assert "the store's own lock is used" in ran.err
    assert digests(ran) == {"oci": built_again(built)["oci"]}
    failed(work.run("build", "miniboss-9.9.9"), 2, "there is no recipe")


@pytest.mark.parametrize(
    ("stage", "place"),
    [("stage/library-particletable/", "external_library.particletable"), ("stage/site/", "puppet.manifest")],
)
def test_a_damaged_input_is_never_built_in(built, tmp_path, stage, place):
    work = built.copy(tmp_path / "work", without=stage)
    blob = json.loads(work.lock(MINIBOSS).read_text())["sources"][place]["blob"]["digest"]
    path = work.store.blob_path(blob)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.unlink()
    path.write_bytes(data)
    failed(work.run("build", MINIBOSS), 4, f"the blob {blob} is damaged", "boss-builder verify")
    assert work.store.references(stage) == {}


def test_a_missing_input_is_named(built, tmp_path):
    work = built.copy(tmp_path / "work", without="stage/")
    lock = json.loads(work.lock(MINIBOSS).read_text())
    package = lock["repositories"][0]["packages"][0]
    work.store.blob_path(package["blob"]["digest"]).unlink()
    failed(work.run("build", MINIBOSS), 4, package["blob"]["digest"], "boss-builder freeze")


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("exec { '/bin/true': }\n", "the puppet template is not idempotent: its second run changed something"),
        ("file { '/no/such/folder/x': content => 'x' }\n", "puppet failed in its first run"),
        ("this is no puppet\n", "puppet failed in its first run"),
    ],
)
def test_a_puppet_template_that_can_not_be_trusted_fails_the_build(built, tmp_path, manifest, said):
    work = built.copy(tmp_path / "work")
    (work.recipes / "tinyel-1" / "puppet" / "site.pp").write_text(manifest)
    ran = work.run("freeze", MINIBOSS)
    assert ran.code == 0, ran.err
    ran = work.run("build", MINIBOSS)
    failed(ran, 4, "the stage site failed", said)
    assert verify(work.store) == ()


def test_killed_at_any_moment_the_store_verifies_and_the_next_run_finishes(built, tmp_path):
    """In each part of the work, some time after it began."""
    work = unbuilt(built, tmp_path / "work")
    seed = 20260102
    dice = random.Random(seed)
    for begun in ("stage os ...", "stage boss ...", "bring the layers", "image sif ...", "image vm ..."):
        with began(work, begun) as process:
            time.sleep(dice.uniform(0, 3))
            process.kill()
        assert verify(work.store) == (), f"seed {seed}, {begun}"
    assert built_again(work) == built_again(built)
    assert verify(work.store) == ()
    assert [p.name for p in (work.folder / "images" / "tmp").iterdir() if not p.name.startswith("keep-")] == []


@contextmanager
def began(work: Workplace, begun: str) -> Iterator[subprocess.Popen[str]]:
    """Start to build, and wait for a line of progress, or for the end."""
    words = [COMMAND, "build", MINIBOSS]
    with subprocess.Popen(
        words, cwd=work.folder, env=work.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if line.startswith(begun):
                break
        yield process


@pytest.mark.parametrize(
    ("begun", "sent"),
    [("stage os ...", signal.SIGINT), ("stage site ...", signal.SIGINT), ("stage os", signal.SIGTERM)],
)
def test_an_interrupt_ends_a_build_and_leaves_nothing_behind(built, tmp_path, begun, sent):
    work = built.copy(tmp_path / "work", without="stage/")
    with began(work, begun) as process:
        time.sleep(2)
        process.send_signal(sent)
        signalled = time.monotonic()
        said = process.communicate(timeout=60)[1]
        assert time.monotonic() - signalled < 30  # no waiting for what the engine still does
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert verify(work.store) == ()
    assert [p.name for p in (work.folder / "images" / "tmp").iterdir() if not p.name.startswith("keep-")] == []
    owners = ["docker", "ps", "--all", "--format", '{{.Label "boss-builder.owner"}}']
    owned = subprocess.run(owners, check=True, capture_output=True, text=True).stdout
    assert f":{process.pid}:" not in owned


def test_the_example_is_frozen_again_without_fetching(built, tmp_path):
    work = built.copy(tmp_path / "work")
    with example_upstream() as elsewhere:
        assert elsewhere != work.variables["upstream"]
    ran = work.run("freeze", MINIBOSS, "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["fetched_files"], ran.json["lock_changed"]) == (0, False)
