"""Resolve the closure of packages with dnf, from metadata on disk alone.

Request: {"architecture", "repositories": [{"name", "folder", "os": bool}], "os": [spec], "boss": [spec]}; a folder
holds `repodata/`. Answer: {"os": [package], "boss": [package]} where a package is {"repository", "name", "epoch",
"version", "release", "architecture", "location", "checksum_type", "checksum", "size"}.
`os` is resolved from the repositories marked so; `boss` on top of exactly that, from all of them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import dnf
import dnf.exceptions
import hawkey

from builder.inside.program import RefusedError, serve


def _base(request: dict[str, Any], *, os_only: bool) -> dnf.Base:
    base = dnf.Base()
    scratch = tempfile.mkdtemp()
    conf = base.conf
    conf.installroot = f"{scratch}/root"
    conf.cachedir = f"{scratch}/cache"
    conf.logdir = scratch
    conf.persistdir = f"{scratch}/persist"
    conf.pluginpath = []
    conf.reposdir = []
    conf.install_weak_deps = False
    conf.module_platform_id = ""
    conf.substitutions["arch"] = request["architecture"]
    conf.substitutions["basearch"] = request["architecture"]
    conf.substitutions["releasever"] = "1"
    for repository in request["repositories"]:
        if os_only and not repository["os"]:
            continue
        repo = dnf.repo.Repo(repository["name"], conf)
        repo.baseurl = [Path(repository["folder"]).absolute().as_uri()]
        repo.gpgcheck = False
        repo.skip_if_unavailable = False
        repo.load_metadata_other = False
        base.repos.add(repo)
    try:
        base.fill_sack(load_system_repo=False)
        base.read_comps(arch_filter=True)
    except dnf.exceptions.RepoError as error:
        raise RefusedError((f"dnf can not read the repository: {error}", "is its metadata complete?")) from error
    return base


def _closure(base: dnf.Base, specs: list[str]) -> dict[str, Any]:
    try:
        base.install_specs(specs, strict=True)
    except dnf.exceptions.MarkingErrors as error:
        missing = sorted({*error.no_match_pkg_specs, *error.error_pkg_specs, *error.no_match_group_specs})
        raise RefusedError(
            *(
                (
                    f"no repository has the package {spec!r}{_near(base, spec)}",
                    "correct `packages`, or add the repository that has it",
                )
                for spec in missing
            )
        ) from error
    try:
        base.resolve()
    except dnf.exceptions.DepsolveError as error:
        raise RefusedError(
            (
                f"the packages can not be installed together: {error}",
                "add the repository that has what is missing, or leave out what is in conflict",
            )
        ) from error
    return {_nevra(package): package for package in base.transaction.install_set}


def _near(base: dnf.Base, spec: str) -> str:
    import difflib

    names = {package.name for package in base.sack.query().available()}
    near = difflib.get_close_matches(spec, names, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _nevra(package: Any) -> str:
    return f"{package.name}-{package.epoch}:{package.version}-{package.release}.{package.arch}"


def _described(packages: dict[str, Any]) -> list[dict[str, Any]]:
    described = []
    for nevra in sorted(packages):
        package = packages[nevra]
        kind, checksum = package.chksum
        described.append(
            {
                "repository": package.reponame,
                "name": package.name,
                "epoch": int(package.epoch),
                "version": package.version,
                "release": package.release,
                "architecture": package.arch,
                "location": package.location,
                "checksum_type": hawkey.chksum_name(kind),
                "checksum": checksum.hex(),
                "size": package.downloadsize,
            }
        )
    return described


def resolve(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request as the module says; refuses packages that are not there or do not fit together."""
    system = _closure(_base(request, os_only=True), request["os"])
    boss: dict[str, Any] = {}
    if request["boss"]:
        both = _closure(_base(request, os_only=False), [*sorted(system), *request["boss"]])
        boss = {nevra: package for nevra, package in both.items() if nevra not in system}
    return {"os": _described(system), "boss": _described(boss)}


if __name__ == "__main__":
    serve(resolve)
