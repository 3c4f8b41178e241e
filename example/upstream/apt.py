"""The closure of Debian packages, downloaded with the host's own apt configuration and without touching its state."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from example.upstream.programs import UpstreamError, run

UPDATE_LIMIT = 300.0
DOWNLOAD_LIMIT = 1800.0
HOOKS = (
    "APT::Update::Pre-Invoke",
    "APT::Update::Post-Invoke",
    "APT::Update::Post-Invoke-Success",
    "DPkg::Pre-Invoke",
    "DPkg::Post-Invoke",
    "DPkg::Pre-Install-Pkgs",
)
"""Commands that a host's configuration may run around apt (container hosts delete their downloads there)."""
_URI = re.compile(r"^'[^']+' (?P<file>\S+\.deb) (?P<size>\d+) ")


def configuration(folder: Path) -> str:
    """Give an apt.conf that keeps all state, caches and logs of apt below `folder`.

    The sources and keys stay the host's. Read after the host's own configuration (`apt-get -c`), so it wins.
    """
    lines = [f"#clear {hook};" for hook in HOOKS]
    lines += ["#clear APT::Architectures;", 'APT::Architectures { "amd64"; };']
    settings = {
        "APT::Architecture": "amd64",
        "APT::Get::Assume-Yes": "true",
        "APT::Install-Recommends": "false",
        "APT::Install-Suggests": "false",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "Debug::NoLocking": "true",
        "Dir::Cache": f"{folder}/cache",
        "Dir::Cache::archives": f"{folder}/archives",
        "Dir::Cache::pkgcache": "pkgcache.bin",
        "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
        "Dir::Etc::preferences": f"{folder}/preferences",
        "Dir::Etc::preferencesparts": f"{folder}/preferences.d",
        "Dir::Log": f"{folder}/log",
        "Dir::State": f"{folder}/state",
        "Dir::State::lists": f"{folder}/lists",
        "Dir::State::status": f"{folder}/status",
    }
    lines += [f'{name} "{value}";' for name, value in settings.items()]
    return "\n".join(lines) + "\n"


def assumed_status(assumed: Collection[str]) -> str:
    """Give a dpkg status file in which each of `assumed` is installed, at a version above any other."""
    return "\n".join(
        f"Package: {name}\nStatus: install ok installed\nVersion: 999:1\nArchitecture: amd64\n"
        "Multi-Arch: allowed\nMaintainer: nobody\nDescription: assumed\n"
        for name in sorted(assumed)
    )


def download_closure(folder: Path, wanted: Collection[str], assumed: Collection[str]) -> tuple[Path, ...]:
    """Download `wanted` and all that they depend on, except `assumed`; give the .deb files in order of name.

    What lies in `folder` from an earlier call is not downloaded again. apt checks every file against the signed
    lists. Raises UpstreamError where apt cannot resolve or fetch.
    """
    folder = folder.resolve()
    for name in ("archives/partial", "cache", "lists/partial", "log", "preferences.d", "state"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").write_text(assumed_status(assumed))
    # a host may know other archives as well: Debian's own packages come first
    (folder / "preferences").write_text("Package: *\nPin: release o=Debian\nPin-Priority: 990\n")
    config = folder / "apt.conf"
    config.write_text(configuration(folder))
    apt = ("apt-get", "-c", config, "-q")
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    run([*apt, "update"], time_limit=UPDATE_LIMIT, environment=environment)
    install = [*sorted(wanted)]
    listed = run([*apt, "--print-uris", "install", *install], time_limit=UPDATE_LIMIT, environment=environment)
    still_to_fetch = sum(1 for line in listed.splitlines() if _URI.match(line))
    if still_to_fetch:
        run([*apt, "--download-only", "install", *install], time_limit=DOWNLOAD_LIMIT, environment=environment)
    return _closure(folder, run([*apt, "--simulate", "install", *install], time_limit=UPDATE_LIMIT))


def _closure(folder: Path, simulation: str) -> tuple[Path, ...]:
    """Give the archive of every `Inst NAME (VERSION ...)` line of a simulated installation."""
    chosen = re.findall(r"^Inst (\S+) \((\S+) .*\[(\w+)\]\)", simulation, re.MULTILINE)
    files = []
    for name, version, architecture in sorted(chosen):
        escaped = version.replace(":", "%3a")
        file = folder / "archives" / f"{name}_{escaped}_{architecture}.deb"
        if not file.is_file():
            raise UpstreamError(f"apt did not fetch {name} {version}", hint=f"expected {os.fspath(file)}")
        files.append(file)
    if not files:
        raise UpstreamError("apt chose no package at all", hint=simulation[-2000:])
    return tuple(files)
