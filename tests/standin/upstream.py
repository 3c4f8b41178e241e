"""The whole stand-in: repositories of three systems, the software area of BOSS, its database; all of it of this host.

Recipes are used with the addresses that stand in them as examples: mirrors lead from there to here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.recipe.load import examine
from builder.recipe.model import Recipe
from example.upstream.signing import SigningKey
from tests.busybox import static_busybox
from tests.integration.mariadb import MariaDb, running
from tests.integration.spine import PROJECT, example_cache
from tests.integration.tiny_vm import kernel
from tests.standin.boss import from_package, lay_out, pack
from tests.standin.systems import SYSTEMS, Parts, write_system
from tests.tinyrpm import Vault

RELEASES = {
    "boss-6.6.4.p03": "el5",
    "boss-6.6.5.p01": "el6",
    "boss-7.0.5": "el6",
    "boss-7.0.9.p01": "el7",
    "boss-7.1.0": "el7",
}
REPOSITORY = "bes3.ihep.ac.cn"
ROOT_HASH = hashlib.sha1(b"stand-in", usedforsecurity=False).hexdigest()
PASSWORD = "of a server that lives for minutes"  # noqa: S105
UNKNOWN = "stand-in"
PLACES = {
    "el5": {
        "os": "vault.example/scientific/5.11/x86_64",
        "wlcg": "vault.example/wlcg/sl5/x86_64",
        "puppet": "vault.example/puppet/el5/x86_64",
    },
    "el6": {
        "os": "vault.example/scientific/6.10/x86_64/os",
        "wlcg": "vault.example/wlcg/sl6/x86_64",
        "puppet": "vault.example/puppet/el6/x86_64",
    },
    "el7": {"os": "vault.centos.org/7.9.2009/os/x86_64", "puppet": "vault.example/puppet/el7/x86_64"},
}
KEYS = (
    "scientific/RPM-GPG-KEY-sl",
    "scientific/RPM-GPG-KEY-sl6",
    "wlcg/RPM-GPG-KEY-wlcg",
    "puppet/RPM-GPG-KEY-puppet",
)
TABLES = """
create database offlinedb;
use offlinedb;
create table CalVtxLumVer (id int auto_increment primary key, BossRelease varchar(32), DataType varchar(32),
  RunFrom int, RunTo int, SftVer varchar(32), ParVer varchar(32)) engine=innodb;
create table MdcCalConst (SftVer varchar(32), CalParVer varchar(32), RunFrom int, RunTo int, t0 double) engine=innodb
"""


@dataclass(frozen=True)
class StandIn:
    """What is served: `served` by the name of the host that it stands in for, `cvmfs` in the place of /cvmfs."""

    served: Path
    cvmfs: Path
    variables: Mapping[str, Mapping[str, str]]
    """By release, the variables that a librarian must set."""
    database: MariaDb

    def environment(self, release: str, url: str) -> dict[str, str]:
        """Give the environment of a freeze of a release, with the stand-in served at `url`."""
        own = {f"BOSS_BUILDER_VAR_{name}": value for name, value in self.variables[release].items()}
        hosts = [path.name for path in sorted(self.served.iterdir())]
        return {
            **own,
            "BOSS_BUILDER_MIRRORS": " ".join(f"https://{host}={url}/{host}" for host in hosts),
            "BOSS_BUILDER_CVMFS": str(self.cvmfs),
            "BOSS_BUILDER_DATABASE_PASSWORD": PASSWORD,
        }

    def add(self, recipe: Recipe) -> None:
        """Put one more release into the software area, and its constants into the database."""
        lay_out(recipe, self.cvmfs.parent, *_programs(example_cache()))
        self.database.run("use offlinedb", *_constants(recipe.release.version))


@contextmanager
def stand_in(folder: Path) -> Iterator[tuple[StandIn, Vault]]:
    """Make the stand-in in a folder and serve it until the end of the block."""
    served, cvmfs = folder / "served", folder / "cvmfs"
    cache = example_cache()
    programs = _programs(cache)
    _write_systems(served, cache)
    (cvmfs / REPOSITORY).mkdir(parents=True)
    for name, value in (("fqrn", REPOSITORY), ("root_hash", ROOT_HASH), ("revision", "1")):
        os.setxattr(cvmfs / REPOSITORY, f"user.{name}", value.encode())
    (folder / "database").mkdir()
    with running(folder / "database") as database:
        _fill(database)
        variables = {}
        for release in RELEASES:
            recipe, to_set = _read(release, database.port)
            tree = folder / "trees" / release if release == "boss-6.6.4.p03" else folder
            lay_out(recipe, tree, *programs)
            variables[release] = to_set | (_archives(recipe, tree, served) if tree != folder else {})
        with Vault(served) as vault:
            yield StandIn(served, cvmfs, variables, database), vault


def _programs(cache: Path) -> tuple[bytes, bytes]:
    """Give a program and a shared library of the small system."""
    archives = cache / "apt" / "archives"
    return (
        from_package(archives, "python3.11-minimal_*.deb", "/usr/bin/python3.11"),
        from_package(archives, "libc6_*.deb", "/lib/x86_64-linux-gnu/libdl.so.2"),
    )


def _write_systems(served: Path, cache: Path) -> None:
    key = SigningKey.make(cache / "keys" / "tinyel", "tinyel")
    parts = Parts(cache / "current" / "tinyel" / "1" / "x86_64" / "os" / "Packages", key, kernel(), static_busybox())
    for name, system in SYSTEMS.items():
        write_system(system, parts, {kind: served / place for kind, place in PLACES[name].items()})
    for path in KEYS:
        place = served / "vault.example" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(key.public.read_bytes())


def _read(release: str, port: int) -> tuple[Recipe, dict[str, str]]:
    """Read a recipe as it stands; gives it, and a value for each variable that must be set."""
    path = PROJECT / "recipes" / release / "recipe.hcl"
    known: dict[str, Any] = {
        "cvmfs_root_hash": ROOT_HASH,
        "database_host": "127.0.0.1",
        "reference": "boss-6.6.5.p01",
        "rhopi_histograms": ["stand_in_rhopi"],
    }
    first = examine(path, {}, {})
    assert first.loaded is not None, first.problems
    values = {one.name: known.get(one.name, _value(release, one.example)) for one in first.to_set}
    values |= {"database_port": port, "disk": "4GiB"}
    given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    loaded = examine(path, given, {}).loaded
    assert loaded is not None
    return loaded.recipe, given


def _value(release: str, example: Any) -> Any:
    """Take an example as it is, unless it says that nothing is known; what is named after its release is so here."""
    if not isinstance(example, str):
        return example
    return UNKNOWN if example == "unconfirmed" else example.replace("unconfirmed", release.removeprefix("boss-"))


def _archives(recipe: Recipe, tree: Path, served: Path) -> dict[str, str]:
    """Pack the folders of a release of the time of AFS; gives the digests, by the variables that ask for them."""
    environment = recipe.package.environment
    folders = {
        "boss": environment["BesArea"],
        "externals": str(Path(environment["CMTROOT"]).parents[2]),
        "cmthome": environment["BOSS_CMTHOME"],
    }
    sources = {
        "boss": recipe.package.source.url,
        **{
            {"ExternalLib": "externals", "cmthome": "cmthome"}[library.name]: library.source.url
            for library in recipe.external_library
        },
    }
    digests = {}
    for name, folder in folders.items():
        archive = served / sources[name].removeprefix("https://")
        pack(tree, folder, archive)
        digests[f"{name}_sha256"] = hashlib.sha256(archive.read_bytes()).hexdigest()
    return digests


def _fill(database: MariaDb) -> None:
    """Make the tables of offlinedb with one version of each release's constants, and who may read them."""
    rows = [statement for release in RELEASES for statement in _constants(release.removeprefix("boss-"))]
    database.run(
        *TABLES.strip().split(";\n"), *rows, f"create user reader@'127.0.0.1' identified by '{PASSWORD}'",
        "grant select on offlinedb.* to reader@'127.0.0.1'",
    )  # fmt: skip


def _constants(version: str) -> tuple[str, str]:
    """Give the statements that make one version of a release's constants, for all runs."""
    columns = "(BossRelease, DataType, RunFrom, RunTo, SftVer, ParVer)"
    return (
        f"insert into CalVtxLumVer {columns} values ('{version}', 'Mdc', 1, 99999, '{version}', '1')",  # noqa: S608
        f"insert into MdcCalConst values ('{version}', '1', 1, 99999, 0.5)",  # noqa: S608
    )
