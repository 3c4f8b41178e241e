"""Resolve the closure of packages with dnf, from metadata on disk alone.

Request: {"architecture", "repositories": [{"name", "folder", "os": bool, "architectures": [name]}], "os": [spec],
"boss": [spec], "vm": [spec], "modules": ["NAME:STREAM"]}; a folder holds `repodata/`. Answer: {"os": [package],
"boss": [package], "vm": [package], "refused": [refusal]}, where a package is {"repository", "name", "epoch", "version",
"release", "architecture", "location", "checksum_type", "checksum", "size"} and a refusal
{"group": "os", "boss" or "vm", "item": number of the spec or -1, "message", "hint"}.
`os` is resolved from the repositories marked so; `boss` on top of exactly that, from all of them; `vm` on top of both,
again from the repositories marked so. Of a repository with `architectures`, only packages of these and of noarch count.
`modules` are enabled, in the place of the default streams. Where anything is refused, there are no packages.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import dnf
import dnf.exceptions
import dnf.module.module_base
import dnf.subject
import hawkey

from builder.inside.groups import Groups, read_groups
from builder.inside.program import RefusedError, serve

GROUPS = ("os", "boss", "vm")
"""In the order in which they stand on each other."""
Packages = dict[str, Any]
"""dnf's packages by NEVRA."""


class _UnresolvedError(Exception):
    def __init__(self, *refusals: dict[str, Any]) -> None:
        super().__init__()
        self.refusals = refusals


def _base(request: dict[str, Any], group: str, below: Packages) -> dnf.Base:
    """Give dnf with the repositories that a group may take from; of the others, it sees only what is in `below`."""
    base = _opened(request, group)
    platform = _platform(base)
    if platform:
        base = _opened(request, group, platform)
    repositories = {repository["name"]: repository for repository in request["repositories"]}
    hidden = [p for p in base.sack.query() if not _is_seen(p, repositories[p.reponame], group, below)]
    base.sack.add_excludes(base.sack.query().filter(pkg=hidden))
    return base


def _opened(request: dict[str, Any], group: str, platform: str = "") -> dnf.Base:
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
    conf.module_platform_id = platform
    conf.substitutions["arch"] = request["architecture"]
    conf.substitutions["basearch"] = request["architecture"]
    conf.substitutions["releasever"] = "1"
    for repository in request["repositories"]:
        if group == "os" and not repository["os"]:
            continue
        repo = dnf.repo.Repo(repository["name"], conf)
        repo.baseurl = [Path(repository["folder"]).absolute().as_uri()]
        repo.gpgcheck = False
        repo.skip_if_unavailable = False
        repo.load_metadata_other = False
        base.repos.add(repo)
    try:
        base.fill_sack(load_system_repo=False)
    except dnf.exceptions.RepoError as error:
        raise RefusedError((f"dnf can not read the repository: {error}", "is its metadata complete?")) from error
    return base


def _platform(base: dnf.Base) -> str:
    """Give the platform that most modules are made for, as `platform:el8`; "" where there are no modules.

    Without it, dnf hides everything that belongs to a module.
    """
    streams: dict[str, int] = {}
    for module in base._moduleContainer.getModulePackages():  # noqa: SLF001 - dnf's own modules command does the same
        for dependencies in module.getModuleDependencies():
            for required in dependencies.getRequires():
                for name, names in required.items():
                    for stream in names if name == "platform" else ():
                        streams[stream] = streams.get(stream, 0) + 1
    most = max(sorted(streams), key=lambda stream: streams[stream], default="")
    return f"platform:{most}" if most else ""


def _is_seen(package: Any, repository: dict[str, Any], group: str, below: Packages) -> bool:
    """Whether a package counts: of an architecture that its repository is asked for, and of one that the group has."""
    architectures = repository["architectures"]
    if architectures and package.arch not in {*architectures, "noarch"}:
        return False
    return group != "vm" or repository["os"] or _nevra(package) in below


def _enable(base: dnf.Base, group: str, streams: list[str]) -> None:
    refused = []
    for stream in streams:
        try:
            dnf.module.module_base.ModuleBase(base).enable([stream])
        except dnf.exceptions.MarkingErrors as error:
            why = "no repository has it" if error.no_match_group_specs else " ".join(str(error).split())
            refused.append(
                {
                    "group": group,
                    "item": -1,
                    "message": f"the module stream {stream!r} can not be enabled: {why}",
                    "hint": "correct `modules` of the repository, or leave it out for the default stream",
                }
            )
    if refused:
        raise _UnresolvedError(*refused)


def _exact(base: dnf.Base, spec: str, native: str) -> str:
    """Give a spec with the native architecture, where other packages than native ones have that name too.

    dnf would be content with any of them, so that `glibc.i686` beside `glibc` would do for both.
    """

    def found(text: str) -> set[str]:
        query = dnf.subject.Subject(text).get_best_query(base.sack, with_provides=False, with_filenames=False)
        return {package.arch for package in query.available()}

    exact = f"{spec}.{native}"
    return exact if len(found(spec)) > 1 and found(exact) == {native} else spec


def _is_group(spec: str) -> bool:
    """Whether a spec names a group; `@NAME:STREAM` is a module, which dnf itself knows."""
    return spec.startswith("@") and ":" not in spec


def _spelled_out(base: dnf.Base, groups: Groups, group: str, specs: list[str]) -> dict[str, str]:
    """Give the packages of groups in their place, each with the spec that it comes from.

    A package of a group that no repository has is passed over, as dnf does.
    """
    refused: list[dict[str, Any]] = []
    said: dict[str, str] = {}
    for item, spec in enumerate(specs):
        members = groups.members(spec) if _is_group(spec) else [spec]
        if not members:
            message = f"no repository has the group {spec!r}"
            hint = "correct `packages`, or name the packages themselves"
            refused.append({"group": group, "item": item, "message": message, "hint": hint})
        for name in members:
            if name == spec or base.sack.query().available().filter(name=name):
                said.setdefault(name, spec)
    if refused:
        raise _UnresolvedError(*refused)
    return said


def _mark(base: dnf.Base, group: str, specs: list[str], said: dict[str, str], below: Packages) -> None:
    """Mark what is to be installed: `said` are the packages, each with the spec that it comes from."""
    try:
        base.install_specs([*sorted(below), *said], strict=True)
    except dnf.exceptions.MarkingErrors as error:
        named = {*error.no_match_pkg_specs, *error.error_pkg_specs, *error.no_match_group_specs}
        missing = sorted(said.get(spec, spec) for spec in named)
        whose = "no repository" if group == "boss" else "no repository of the OS"
        raise _UnresolvedError(
            *(
                {
                    "group": group,
                    "item": specs.index(spec) if spec in specs else -1,
                    "message": f"{whose} has the package {spec!r}{_near(base, spec)}",
                    "hint": "correct `packages`, or add the repository that has it",
                }
                for spec in missing
            )
        ) from error


def _added(base: dnf.Base, group: str, below: Packages) -> Packages:
    try:
        base.resolve()
    except dnf.exceptions.DepsolveError as error:
        raise _UnresolvedError(
            {
                "group": group,
                "item": -1,
                "message": f"the packages can not be installed together: {error}",
                "hint": "add the repository that has what is missing, or leave out what is in conflict",
            }
        ) from error
    installed = {_nevra(package): package for package in base.transaction.install_set}
    return {nevra: package for nevra, package in installed.items() if nevra not in below}


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
    """Answer a request as the module says; what is not there is named for every group, conflicts for the first."""
    found: dict[str, Packages] = {}
    below: Packages = {}
    refused: list[dict[str, Any]] = []
    try:
        groups = read_groups(Path(repository["folder"]) for repository in request["repositories"])
    except ValueError as error:
        raise RefusedError((str(error), "is the repository's metadata complete?")) from error
    for group in GROUPS:
        if not request[group]:
            continue
        base = _base(request, group, below)
        try:
            _enable(base, group, request["modules"])
            spelled = _spelled_out(base, groups, group, request[group])
            said = {_exact(base, name, request["architecture"]): spec for name, spec in spelled.items()}
            _mark(base, group, request[group], said, below)
            if not refused:
                found[group] = _added(base, group, below)
                below = below | found[group]
        except _UnresolvedError as error:
            refused.extend(error.refusals)
    described = {group: [] if refused else _described(found.get(group, {})) for group in GROUPS}
    return {**described, "refused": refused}


if __name__ == "__main__":
    serve(resolve)
