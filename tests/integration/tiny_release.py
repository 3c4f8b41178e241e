"""Releases that are built in seconds: some packages of the example upstream, and a BOSS package that does as told.

The operating system is tinyel, made of Debian binaries, which stands in for an Enterprise Linux. dnf, rpm, the engine
and the validation are real.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.spine import Ran, Workplace, example_upstream, new_store
from tests.tinyrpm import TinyRpm, Vault, build_repository

PACKAGES = ("bash", "coreutils", "filesystem", "findutils", "grep", "libc-bin", "rpm", "sed", "setup")
BOSS = "#!/bin/sh\n" + 'echo "BOSS version: 1.0"\n' + "test $# = 0 || cp /opt/boss/share/result.json mumu.json\n"
SUITE = 'def test_boss_starts(host):\n    assert "BOSS version" in host.check_output("/opt/boss/bin/boss.exe")\n'
SAMPLES = """
  sample "mumu" {
    channel     = "J/psi -> mu+ mu-"
    command     = ["/opt/boss/bin/boss.exe"]
    job_options = ["jobs/mumu.txt"]
    result      = "mumu.json"
    events      = 5000
    emulated_events = 5000
    seed        = 7
  }
"""


@dataclass(frozen=True)
class Quirk:
    """What is peculiar to a release: what its package does when it is installed, and what else is in it."""

    post: str = ""
    files: Mapping[str, str] | None = None
    images: str = 'image "oci" {}\n'
    validation: str = ""
    packages: tuple[str, ...] = ()


def _recipe(name: str, quirk: Quirk) -> str:
    packages = ", ".join(f'"{package}"' for package in sorted({*PACKAGES, *quirk.packages}))
    return f"""\
release "{name}" "1.0" {{
  title   = "{name} 1.0"
  date    = "2020-03-01"
  license = "MIT"
}}

variable "upstream" {{
  description = "the example upstream"
}}

variable "vault" {{
  description = "the packages of BOSS"
}}

os {{
  family        = "tinyel"
  version       = "1"
  architecture  = "x86_64"
  date          = "2020-01-01"
  stands_in_for = "an Enterprise Linux; it is made of Debian binaries"
  packages      = [{packages}]

  rpm_repository "os" {{
    url      = "${{var.upstream}}/tinyel/1/x86_64/os/"
    gpg_keys = ["${{var.upstream}}/tinyel/1/x86_64/os/RPM-GPG-KEY-tinyel"]
  }}
}}

package "boss" {{
  source "rpm_repository" {{
    url      = "${{var.vault}}/boss"
    gpgcheck = false
    packages = ["{name}"]
  }}
  stands_in_for = "BOSS; it is a shell script"
}}

{quirk.images}
validation {{
  suite = "validation"
{quirk.validation}}}
"""


@contextmanager
def recipes_of_tiny_releases(folder: Path, quirks: Mapping[str, Quirk]) -> Iterator[Workplace]:
    """Write recipes of releases NAME-1.0, beside a store that has none of them; their upstream is there."""
    rpms = [
        TinyRpm(
            name,
            files={"/opt/boss/bin/boss.exe": BOSS, **(quirk.files or {})},
            scripts=f"%post\n{quirk.post}" if quirk.post else "",
        )
        for name, quirk in quirks.items()
    ]
    build_repository(folder / "vault" / "boss", rpms)
    new_store(folder / "images")
    for name, quirk in quirks.items():
        recipe = folder / "recipes" / f"{name}-1.0"
        for part in ("validation", "jobs"):
            (recipe / part).mkdir(parents=True)
        (recipe / "recipe.hcl").write_text(_recipe(name, quirk))
        (recipe / "validation" / "test_release.py").write_text(SUITE)
        (recipe / "jobs" / "mumu.txt").write_text("// nothing to say\n")
    with example_upstream() as upstream, Vault(folder / "vault") as vault:
        yield Workplace(folder, {"upstream": upstream, "vault": vault.url})


@contextmanager
def tiny_releases(folder: Path, quirks: Mapping[str, Quirk]) -> Iterator[Workplace]:
    """Freeze and build releases NAME-1.0, in one store; the upstream is gone afterwards."""
    with recipes_of_tiny_releases(folder, quirks) as work:
        for name in quirks:
            must(work.run("freeze", f"{name}-1.0"))
            must(work.run("build", f"{name}-1.0"))
        yield work


def must(ran: Ran, code: int = 0) -> Ran:
    """Insist on an exit code."""
    assert ran.code == code, ran.err + ran.out
    return ran
