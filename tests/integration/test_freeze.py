"""Freezing: the closure with its signatures, again for nothing, and a clear error for everything that is wrong.

Tiny RPMs stand in for an operating system here; dnf, rpm, gpg and the builder image are real.
"""

import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from builder.core.digest import Digest
from builder.store.verify import verify
from tests.integration.spine import COMMAND, Workplace, new_store
from tests.tinyrpm import (
    Key,
    NotFound,
    OtherBytes,
    Slow,
    StopsAfter,
    TinyRpm,
    Vault,
    build_repository,
    refresh_metadata,
    tamper,
)

pytestmark = pytest.mark.integration
RELEASE = "tiny-1.0"
RECIPE = """
release "tiny" "1.0" {
  title   = "Tiny 1.0"
  date    = "2020-03-01"
  license = "MIT"
}

variable "vault" {
  description = "where the repositories are served"
}

os {
  family       = "tiny"
  version      = "1"
  architecture = "x86_64"
  packages     = ["shell"]

  rpm_repository "os" {
    url      = "${var.vault}/os/"
    gpg_keys = ["${var.vault}/os/RPM-GPG-KEY"]
  }
}

package "boss" {
  source "rpm_repository" {
    url      = "${var.vault}/boss"
    gpg_keys = ["keys/boss"]
    packages = ["boss"]
  }
}

document "notes" {
  file = "documents/notes.md"
}
"""
BIG = "x" * 3_000_000


@pytest.fixture(scope="session")
def keys(tmp_path_factory) -> dict[str, Key]:
    folder = tmp_path_factory.mktemp("keys")
    made = {name: Key.make(folder / name, name.title()) for name in ("os", "boss", "stranger")}
    made["expired"] = Key.make(folder / "expired", "Expired", expires="seconds=12")
    return made


@pytest.fixture(scope="session")
def upstream(tmp_path_factory, keys) -> Path:
    folder = tmp_path_factory.mktemp("upstream")
    system = [
        TinyRpm("shell", requires=["library >= 2"], provides=["/bin/sh"], files={"/usr/bin/tinysh": "#!shell\n"}),
        TinyRpm("library", version="2.1", epoch=1, files={"/usr/lib/library": BIG}),
        TinyRpm("unwanted", files={"/usr/share/unwanted": "nobody asked\n"}),
        TinyRpm("kernel", requires=["library", "kernel-helper"], files={"/boot/vmlinuz": "kernel\n"}),
        TinyRpm("kernel-helper", files={"/usr/bin/helper": "helper\n"}),
        TinyRpm("boss-kernel", requires=["extra"]),
        TinyRpm("stuck-kernel", requires=["nothing-has-this"]),
    ]
    build_repository(folder / "os", system, key=keys["os"])
    boss = [TinyRpm("boss", requires=["shell", "extra"], files={"/opt/boss": "boss\n"})]
    boss += [
        TinyRpm("extra", files={"/opt/extra": "extra\n"}),
        TinyRpm("kernel-helper", version="9.0", files={"/opt/kernel-helper": "not the one of the OS\n"}),
    ]
    build_repository(folder / "boss", boss, key=keys["boss"])
    build_repository(folder / "expired", [TinyRpm("shell")], key=keys["expired"])
    return folder


@pytest.fixture
def served(tmp_path, upstream) -> Path:
    return Path(shutil.copytree(upstream, tmp_path / "served", copy_function=shutil.copy2))


@pytest.fixture
def vault(served):
    with Vault(served) as vault:
        yield vault


@pytest.fixture
def work(tmp_path, vault, keys) -> Workplace:
    new_store(tmp_path / "images")
    recipe = tmp_path / "recipes" / RELEASE
    (recipe / "keys").mkdir(parents=True)
    (recipe / "documents").mkdir()
    (recipe / "recipe.hcl").write_text(RECIPE)
    (recipe / "documents" / "notes.md").write_text("# Notes\n")
    shutil.copy(keys["boss"].public, recipe / "keys" / "boss")
    return Workplace(tmp_path, {"vault": vault.url})


def frozen(work: Workplace, *words: str):
    ran = work.run("freeze", RELEASE, "--json", *words)
    assert ran.code == 0, ran.err + ran.out
    return ran.json


def rpm(served: Path, repository: str, name: str) -> Path:
    (found,) = (served / repository / "Packages").glob(f"{name}-*.rpm")
    return found


def location(served: Path, path: Path) -> str:
    return "/" + str(path.relative_to(served))


def test_the_lock_holds_the_closure_with_verdict_and_key_of_every_signature(work, keys):
    answer = frozen(work)
    assert (answer["packages"], answer["lock_changed"]) == (4, True)
    lock = json.loads(work.lock(RELEASE).read_text())
    assert lock["os_packages"] == ["library-1:2.1-1.noarch", "shell-0:1.0-1.noarch"]
    assert lock["boss_packages"] == ["boss-0:1.0-1.noarch", "extra-0:1.0-1.noarch"]
    for repository in lock["repositories"]:
        key = keys[repository["name"]]
        assert repository["keys"][0]["fingerprint"] == key.fingerprint.upper()
        good = {"key_id": key.fingerprint.lower()[-16:], "verdict": "good"}
        assert repository["signature"] == good
        assert [p["signature"] for p in repository["packages"]] == [good] * 2
    names = {i["annotations"]["org.opencontainers.image.ref.name"] for i in _index(work)["manifests"]}
    assert f"inputs/{RELEASE}" in names
    assert verify(work.store) == ()


def _index(work: Workplace):
    return json.loads((work.folder / "images" / "index.json").read_text())


def ask_for_a_machine(work: Workplace, *packages: str) -> int:
    """Give the line that names its packages."""
    path = work.recipes / RELEASE / "recipe.hcl"
    text = f'{path.read_text()}\nimage "vm" {{\n  packages = {json.dumps(packages)}\n}}\n'
    path.write_text(text)
    return text.count("\n") - 1


def test_what_a_machine_needs_comes_from_the_os_on_top_of_everything_else(work):
    frozen(work)
    before = json.loads(work.lock(RELEASE).read_text())
    ask_for_a_machine(work, "kernel", "shell", "boss-kernel")
    answer = frozen(work)
    lock = json.loads(work.lock(RELEASE).read_text())
    added = ["boss-kernel", "kernel", "kernel-helper"]
    assert lock["vm_packages"] == [f"{name}-0:1.0-1.noarch" for name in added]
    assert answer["changes"] == ["recipe: its text changed", *(f"{name}.noarch: added, 0:1.0-1" for name in added)]
    for packages in ("os_packages", "boss_packages"):
        assert lock[packages] == before[packages]
    taken = {r["name"]: [p["name"] for p in r["packages"]] for r in lock["repositories"]}
    assert taken == {"os": ["boss-kernel", "kernel", "kernel-helper", "library", "shell"], "boss": ["boss", "extra"]}
    (primary,) = (blob["digest"] for name, blob in lock["frozen_repository"].items() if "primary" in name)
    assert work.store.has(primary)
    assert lock["frozen_repository"] != before["frozen_repository"]
    assert verify(work.store) == ()


def test_a_lock_from_before_there_were_machines_still_fits(work, vault):
    frozen(work)
    assert "vm_packages" not in work.lock(RELEASE).read_text()
    ask_for_a_machine(work)
    vault.forget()
    assert frozen(work)["changes"] == ["recipe: its text changed"]
    assert vault.requests == []


def test_again_with_nothing_changed_fetches_nothing_and_keeps_the_lock(work, vault):
    frozen(work)
    before = work.lock(RELEASE).read_bytes()
    contents = work.contents()
    vault.forget()
    answer = frozen(work)
    assert (answer["fetched_files"], answer["lock_changed"], answer["changes"]) == (0, False, [])
    assert vault.requests == []
    assert work.lock(RELEASE).read_bytes() == before
    assert work.contents() == contents


def test_two_stores_get_the_same_lock(work, tmp_path):
    frozen(work)
    first = work.lock(RELEASE).read_bytes()
    work.lock(RELEASE).unlink()
    new_store(tmp_path / "other")
    frozen(work, "--store", str(tmp_path / "other"))
    assert work.lock(RELEASE).read_bytes() == first


def test_update_takes_what_is_new_and_says_so(work, served, keys):
    frozen(work)
    (served / "os" / "Packages" / "library-2.1-1.noarch.rpm").unlink()
    newer = TinyRpm("library", version="2.2", epoch=1, files={"/usr/lib/library": "new\n"})
    built = build_repository(work.folder / "newer", [newer], key=keys["os"])
    shutil.copy2(rpm(work.folder, "newer", "library"), served / "os" / "Packages")
    assert built.exists()
    refresh_metadata(served / "os", key=keys["os"])
    assert frozen(work)["lock_changed"] is False
    answer = frozen(work, "--update")
    assert answer["changes"] == ["library.noarch: 1:2.1-1 -> 1:2.2-1"]


def test_another_release_on_the_same_repositories_takes_over_what_the_first_got(work, vault):
    recipe = work.recipes / RELEASE / "recipe.hcl"
    recipe.write_text(RECIPE.replace('"keys/boss"', '"${var.vault}/boss/RPM-GPG-KEY"'))
    frozen(work)
    shutil.copytree(recipe.parent, work.recipes / "tiny-2.0")
    work.lock("tiny-2.0").unlink()
    other = work.recipes / "tiny-2.0" / "recipe.hcl"
    other.write_text(recipe.read_text().replace('"tiny" "1.0"', '"tiny" "2.0"'))
    vault.forget()
    ran = work.run("freeze", "tiny-2.0")
    assert ran.code == 0, ran.err
    assert "the packages are those of tiny-1.0" in ran.err
    assert "resolve packages" not in ran.err
    assert not any(request.path.endswith(".rpm") for request in vault.requests)
    taken_over = work.lock("tiny-2.0").read_bytes()
    ran = work.run("freeze", "tiny-2.0", "--update")
    assert "resolve packages" in ran.err, "with --update it is found out anew"
    assert work.lock("tiny-2.0").read_bytes() == taken_over


def test_a_changed_document_touches_no_package(work, vault):
    frozen(work)
    vault.forget()
    (work.recipes / RELEASE / "documents" / "notes.md").write_text("# Other notes\n")
    answer = frozen(work)
    assert [line.partition(":")[0] for line in answer["changes"]] == ["document.notes"]
    assert vault.requests == []


def test_a_blob_that_the_store_lost_is_fetched_by_the_locks_digest(work, vault):
    frozen(work)
    lock = json.loads(work.lock(RELEASE).read_text())
    lost = lock["repositories"][0]["packages"][0]["blob"]["digest"]
    work.store.blob_path(lost).unlink()
    assert verify(work.store) != ()
    vault.forget()
    assert frozen(work)["fetched_files"] == 1
    assert len(vault.requests) == 1
    assert verify(work.store) == ()


# -- what is wrong -----------------------------------------------------------------------------------------------


def refused(work: Workplace, code: int, *said: str) -> None:
    """The freeze fails with this exit code and these words, and the store is as it was."""
    before = work.contents()
    ran = work.run("freeze", RELEASE)
    assert ran.code == code, ran.err
    for words in said:
        assert words in ran.err
    assert "Traceback" not in ran.err
    assert work.contents() == before
    assert verify(work.store) == ()
    assert not work.lock(RELEASE).exists()


def test_a_tampered_rpm(work, served):
    tamper(rpm(served, "os", "library"))
    refused(work, 2, "library-2.1-1.noarch.rpm is not what it should be", "nothing of it was stored")


def test_a_tampered_rpm_that_the_metadata_vouches_for(work, served, keys):
    tamper(rpm(served, "os", "library"))
    refresh_metadata(served / "os", key=keys["os"])
    refused(work, 2, 'repository "os"'.replace('"', "'"), "do not use it", "recipe.hcl:18:3")


def test_an_rpm_signed_by_a_stranger(work, served, keys):
    other = build_repository(work.folder / "other", [TinyRpm("extra")], key=keys["stranger"])
    shutil.copy2(rpm(work.folder, "other", "extra"), served / "boss" / "Packages")
    assert other.exists()
    refresh_metadata(served / "boss", key=keys["boss"])
    refused(work, 2, f"signed by the key {keys['stranger'].fingerprint.lower()[-8:]}"[:20], "does not name")


def test_an_unsigned_rpm(work, served, keys):
    build_repository(work.folder / "other", [TinyRpm("extra", files={"/opt/other": "x"})])
    shutil.copy2(rpm(work.folder, "other", "extra"), served / "boss" / "Packages")
    refresh_metadata(served / "boss", key=keys["boss"])
    refused(work, 2, "extra-0:1.0-1.noarch is not signed", "gpgcheck = false")


def test_a_missing_rpm(work, vault, served):
    vault.misbehave(location(served, rpm(served, "os", "shell")), NotFound())
    refused(work, 4, "shell-1.0-1.noarch.rpm", "404")


def test_metadata_that_lies_about_a_digest(work, vault, served):
    (primary,) = (served / "os" / "repodata").glob("*-primary.xml*")
    vault.misbehave(location(served, primary), OtherBytes(b"x" * primary.stat().st_size))
    refused(work, 2, "primary.xml", "is not what it should be")


def test_metadata_changed_after_it_was_signed(work, served):
    repomd = served / "os" / "repodata" / "repomd.xml"
    repomd.write_text(repomd.read_text().replace("</repomd>", "<!-- changed --></repomd>"))
    refused(work, 2, "the signature of repomd.xml is not good")


def test_a_web_page_in_the_place_of_a_repository(work, vault):
    vault.misbehave("/os/repodata/repomd.xml", OtherBytes(b"<html>Moved</html>"))
    refused(work, 2, "is not the metadata of an RPM repository", "is the repository's url right?")


def test_an_expired_key(work, keys):
    keys["expired"].wait_until_expired()
    path = work.recipes / RELEASE / "recipe.hcl"
    path.write_text(path.read_text().replace("/os/", "/expired/"))
    refused(work, 2, "expired on", "renewed key")


def test_a_file_that_is_no_key(work):
    (work.recipes / RELEASE / "keys" / "boss").write_text("not a key\n")
    refused(work, 2, "is not an OpenPGP public key")


def test_a_package_that_no_repository_has(work):
    path = work.recipes / RELEASE / "recipe.hcl"
    path.write_text(path.read_text().replace('["shell"]', '["library", "shel"]'))
    refused(work, 2, "no repository of the OS has the package 'shel'", "did you mean 'shell'?", "recipe.hcl:16:30")


def test_every_package_that_no_repository_has_is_named_at_its_place(work):
    path = work.recipes / RELEASE / "recipe.hcl"
    path.write_text(path.read_text().replace('["shell"]', '["shel"]').replace('["boss"]', '["bos"]'))
    line = ask_for_a_machine(work, "library", "kernle")
    refused(
        work, 2,
        "recipe.hcl:16:19: no repository of the OS has the package 'shel'",
        "recipe.hcl:28:17: no repository has the package 'bos'",
        f"recipe.hcl:{line}:26: no repository of the OS has the package 'kernle'; did you mean 'kernel'?",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["extra-2.0", "nothing"])
def test_a_machines_package_that_the_os_does_not_have(work, name):
    line = ask_for_a_machine(work, name)
    refused(work, 2, f"recipe.hcl:{line}:15: no repository of the OS has the package '{name}'")


def test_a_machines_package_that_can_not_be_installed(work):
    line = ask_for_a_machine(work, "stuck-kernel")
    refused(work, 2, f"recipe.hcl:{line}:3: the packages can not be installed together", "nothing-has-this")


def test_a_dependency_that_nothing_provides(work, served, keys):
    rpm(served, "os", "library").unlink()
    refresh_metadata(served / "os", key=keys["os"])
    refused(work, 2, "can not be installed together", "library >= 2")


def test_a_server_that_stops_for_good_and_comes_back(work, vault, served):
    path = location(served, rpm(served, "os", "library"))
    vault.misbehave(path, StopsAfter(2000))
    refused(work, 4, "library-2.1-1.noarch.rpm could not be fetched", "the next freeze goes on from there")
    vault.behave(path)
    frozen(work)


def test_no_server_at_all(work):
    work.variables["vault"] = "http://127.0.0.1:9"
    refused(work, 4, "could not be fetched: the connection was refused")


def test_an_interrupt_ends_it_within_a_second_and_leaves_nothing_half_written(work, vault, served):
    vault.misbehave(location(served, rpm(served, "os", "library")), Slow(30, size=1000))
    before = work.contents()
    process = subprocess.Popen(
        [COMMAND, "freeze", RELEASE], cwd=work.folder, env=work.environment(), stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if line.startswith("download 4 packages"):
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    said = process.communicate(timeout=30)[1]
    assert time.monotonic() - began < 15  # far less than the server would take
    assert process.returncode == 130
    assert said.splitlines()[-1] == "interrupted; nothing is half-written"
    assert "Traceback" not in said
    assert work.contents() == before
    assert verify(work.store) == ()


def test_killed_at_any_moment_it_verifies_and_the_next_run_finishes(work):
    seed = 20260101
    dice = random.Random(seed)
    for _ in range(8):
        process = work.start("freeze", RELEASE)
        time.sleep(dice.uniform(0.2, 4.0))
        process.kill()
        process.wait()
        assert verify(work.store) == (), f"seed {seed}"
    frozen(work)
    lock = work.lock(RELEASE).read_bytes()
    stored = {d["annotations"]["org.opencontainers.image.ref.name"]: d for d in _index(work)["manifests"]}
    manifest = json.loads(work.store.read(stored[f"inputs/{RELEASE}"]["digest"]))
    assert manifest["config"]["digest"] == Digest.of(lock)
