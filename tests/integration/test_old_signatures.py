"""Packages that were signed with SHA-1, which rpm refuses today: judged, recorded, and taken if the recipe says so."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.lock import file as lock_file
from builder.lock.model import Signature, Verdict
from tests.integration.spine import Workplace, new_store
from tests.tinyrpm import Key, TinyRpm, Vault, build_repository, refresh_metadata, tamper

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("old-signatures")]
RELEASE = "weak-1.0"
RECIPE = """\
release "weak" "1.0" {{
  title   = "weak 1.0"
  date    = "2020-03-01"
  license = "MIT"
}}

variable "vault" {{
  description = "all packages"
}}

os {{
  family       = "tiny"
  version      = "1"
  architecture = "x86_64"
  packages     = [{packages}]

  rpm_repository "os" {{
    url             = "${{var.vault}}/os"
    gpg_keys        = ["key"]
    weak_signatures = {weak}
  }}
}}

package "boss" {{
  source "rpm_repository" {{
    url      = "${{var.vault}}/boss"
    gpgcheck = false
    packages = ["boss"]
  }}
}}
"""


def sign_as_of_old(key: Key, *rpms: Path) -> None:
    """Sign with SHA-1, as all packages were signed up to Enterprise Linux 5."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "h").symlink_to(key.signing.home.absolute())  # the path of gpg's socket must be short
        environment = {**os.environ, "GNUPGHOME": f"{folder}/h", "HOME": folder}
        macros = {
            "_gpg_name": key.fingerprint,
            "_gpg_digest_algo": "sha1",
            "__gpg": "/usr/bin/gpg",
        }
        words = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
        subprocess.run(["rpmsign", "--addsign", *words, *rpms], env=environment, check=True, timeout=120)
        subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=True, timeout=60)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return Key.make(tmp_path_factory.mktemp("key"), "Old")


@pytest.fixture(scope="module")
def work(key: Key, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    folder = tmp_path_factory.mktemp("weak")
    vault = build_repository(folder / "vault" / "os", [TinyRpm(name) for name in ("changed", "shell", "strange")])
    rpms = {path.name.partition("-")[0]: path for path in (vault / "Packages").iterdir()}
    sign_as_of_old(key, rpms["shell"], rpms["changed"])
    sign_as_of_old(Key.make(folder / "stranger", "Stranger"), rpms["strange"])
    tamper(rpms["changed"])
    refresh_metadata(vault)
    build_repository(folder / "vault" / "boss", [TinyRpm("boss")])
    new_store(folder / "images")
    recipe = folder / "recipes" / RELEASE
    recipe.mkdir(parents=True)
    (recipe / "key").write_bytes(key.public.read_bytes())
    with Vault(folder / "vault") as served:
        yield Workplace(folder, {"vault": served.url})


def freeze(work: Workplace, *packages: str, weak: bool) -> tuple[int, str]:
    recipe = work.recipes / RELEASE / "recipe.hcl"
    named = ", ".join(f'"{name}"' for name in packages)
    recipe.write_text(RECIPE.format(packages=named, weak=str(weak).lower()))
    ran = work.run("freeze", RELEASE, "--update")
    return ran.code, ran.err


def test_a_signature_that_is_refused_today_is_named_with_what_to_do(work: Workplace) -> None:
    code, said = freeze(work, "shell", weak=False)
    assert code == 2, said
    assert "shell-0:1.0-1.noarch is signed by RSA/SHA1, which is refused today" in said
    assert "weak_signatures = true" in said
    assert not work.lock(RELEASE).exists()


def test_it_is_taken_where_the_recipe_says_so_and_the_lock_tells(work: Workplace, key: Key) -> None:
    code, said = freeze(work, "shell", weak=True)
    assert code == 0, said
    lock = lock_file.read(work.lock(RELEASE))
    assert lock is not None
    identity = key.fingerprint.lower()[-16:]
    expected = Signature(verdict=Verdict.WEAK, key_id=identity, algorithm="RSA/SHA1")
    assert lock.package("shell-0:1.0-1.noarch").signature == expected


def test_a_wrong_one_is_refused_whatever_the_recipe_says(work: Workplace) -> None:
    code, said = freeze(work, "shell", "changed", "strange", weak=True)
    assert code == 2, said
    assert "its bytes were changed after it was made" in said
    assert "which the recipe does not name" in said
