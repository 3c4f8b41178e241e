"""The toy's package, from its source; `miniboss.release` is that of version 1.0.0."""

from __future__ import annotations

import csv
import importlib.util
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

SOURCES = Path(__file__).resolve().parents[3] / "example" / "miniboss"

sys.path.insert(0, str(SOURCES / "lib"))
sys.path.insert(0, str(SOURCES.parent / "particle-table"))


def _release(version, name):
    """Import a version's own part as the package `name`."""
    folder = SOURCES / "versions" / version
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


_release("1.0.0", "miniboss.release")  # as its RPM does
_release("1.1.0", "miniboss_1_1_0")

RECIPE = SOURCES.parents[1] / "recipes" / "miniboss"


@pytest.fixture(scope="session")
def sources():
    """The folder of the toy's source."""
    return SOURCES


@pytest.fixture(scope="session")
def recipe():
    """The folder of what the recipes of all versions share."""
    return RECIPE


@pytest.fixture(scope="session")
def geometry():
    from miniboss.geometry import read_geometry

    return read_geometry({"DETECTOR_GEOMETRY_ROOT": str(RECIPE / "libraries" / "detector-geometry")})


@pytest.fixture(scope="session")
def constants():
    """Round constants of a detector without outliers."""
    from miniboss.constants import Constants, EmcConstants, MdcConstants, TofConstants

    return Constants(
        MdcConstants(
            HitEfficiency=0.98,
            Resolution=0.013,
            ResolutionZ=0.3,
            OutlierFraction=0.0,
            OutlierScale=8.0,
            ScatteringScale=1.0,
            EnergyLoss=0.0,
            MomentumScale=1.0,
        ),
        TofConstants(Efficiency=0.97, Resolution=0.08, Offset=0.5),
        EmcConstants(
            Efficiency=0.98,
            Threshold=0.025,
            Stochastic=0.025,
            Constant=0.01,
            AngleResolution=0.005,
            MinimumIonising=0.2,
        ),
    )


@pytest.fixture(scope="session")
def muons():
    """Make muons, two an event, from (0, 0, 0): `muons(events, transverse, most_cos)`."""
    from miniboss.events import Generated

    def make(events, transverse, most_cos=0.8, seed=1):
        random = np.random.default_rng(seed)
        azimuth = random.uniform(0, 2 * np.pi, (events, 2))
        cosine = random.uniform(-most_cos, most_cos, (events, 2))
        tangent = cosine / np.sqrt(1 - cosine**2)
        momentum = transverse * np.stack([np.cos(azimuth), np.sin(azimuth), tangent], axis=-1)
        pdg = np.tile(np.array([-13, 13], dtype=np.int32), (events, 1))
        return Generated(pdg, momentum, np.zeros((events, 2, 3)))

    return make


@pytest.fixture
def environment(database):
    """What a job finds in the environment."""
    from miniboss.geometry import VARIABLE

    return {
        "BOSS_DATABASE": str(database),
        VARIABLE: str(RECIPE / "libraries" / "detector-geometry"),
        "BesArea": str(SOURCES),
    }


@pytest.fixture
def database(tmp_path):
    """The recipe's tables as sqlite, as an image holds them."""
    file = tmp_path / "offlinedb.db"
    texts = {"BossRelease", "DataType", "SftVer", "ParVer", "CalParVer"}
    tables = RECIPE / "bookkeeping"
    with closing(sqlite3.connect(file)) as connection:
        for table in (tables / "CalVtxLumVer.csv", *sorted((tables / "payloads").iterdir())):
            with table.open(newline="") as stream:
                header, *rows = csv.reader(stream)
            kinds = ["TEXT" if name in texts else "INTEGER" if name.startswith("Run") else "REAL" for name in header]
            columns = ", ".join(f"{name} {kind}" for name, kind in zip(header, kinds, strict=True))
            connection.execute(f"create table {table.stem} ({columns})")
            places = ", ".join("?" * len(header))
            connection.executemany(f"insert into {table.stem} values ({places})", rows)  # noqa: S608 - our tables
        connection.commit()
    return file
