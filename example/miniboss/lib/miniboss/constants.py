"""Calibration constants, looked up in the bookkeeping database as BOSS looks them up.

`CalVtxLumVer` says which version of the constants belongs to a release, a data type and a run; a table for each data
type holds the constants. TofSim and Tof are looked up by the signed run (BOSS's services TofSim and TofCal), the
others by its absolute value. Simulated runs are negative; they take the types Mdc and TofSim where real runs take
MdcData and Tof. Where several rows fit, BOSS takes the first; so does this.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from miniboss.errors import JobError

VARIABLE = "BOSS_DATABASE"
LOCK_LIMIT = 5.0
"""Seconds to wait for somebody who writes to the database."""
SIGNED = frozenset({"Tof", "TofSim"})
TABLES = {
    "Mdc": "MdcCalConst",
    "MdcData": "MdcDataConst",
    "Tof": "TofCalConst",
    "TofSim": "TofSimConst",
    "Emc": "EmcCalConst",
}
DEFAULT = "default"
"""A ParVer that asks for the highest CalParVer there is."""


@dataclass(frozen=True)
class MdcConstants:
    """The tracker."""

    HitEfficiency: float
    Resolution: float
    """cm, across the track in the transverse plane."""
    ResolutionZ: float
    """cm, along z."""
    OutlierFraction: float
    """Of the hits; they are measured with `OutlierScale` times the resolution."""
    OutlierScale: float
    ScatteringScale: float
    """Factor to the angle of Highland's formula."""
    EnergyLoss: float
    """GeV that a minimum ionising particle loses when it crosses a layer at right angles."""
    MomentumScale: float
    """Reconstructed momenta are multiplied by it."""


@dataclass(frozen=True)
class TofConstants:
    """The time-of-flight system."""

    Efficiency: float
    Resolution: float
    """ns."""
    Offset: float
    """ns, taken from every time in the reconstruction."""


@dataclass(frozen=True)
class EmcConstants:
    """The calorimeter; the energy resolution is the quadratic sum of Stochastic / sqrt(E / GeV) and Constant."""

    Efficiency: float
    """For a photon well above the threshold."""
    Threshold: float
    """GeV: photons that leave less are not seen."""
    Stochastic: float
    Constant: float
    AngleResolution: float
    """Radian at 1 GeV; grows as 1 / sqrt(E / GeV)."""
    MinimumIonising: float
    """GeV that a particle leaves that makes no shower."""


@dataclass(frozen=True)
class Constants:
    """All constants of one run."""

    mdc: MdcConstants
    tof: TofConstants
    emc: EmcConstants


_Group = TypeVar("_Group", MdcConstants, TofConstants, EmcConstants)


class ConstantsDatabase:
    """The database, opened once for a job; what was looked up for a run is kept."""

    def __init__(self, connection: sqlite3.Connection, release: str) -> None:
        """Look up for the release named `release` (BossRelease); whoever gave `connection` closes it."""
        self._connection = connection
        self._release = release
        self._known: dict[int, Constants] = {}

    def of_run(self, run: int) -> Constants:
        """Give the constants of a run, negative for simulation. Raises JobError, with the SQL, where a row lacks."""
        if run not in self._known:
            simulated = run < 0
            self._known[run] = Constants(
                mdc=self._look_up("Mdc" if simulated else "MdcData", run, MdcConstants),
                tof=self._look_up("TofSim" if simulated else "Tof", run, TofConstants),
                emc=self._look_up("Emc", run, EmcConstants),
            )
        return self._known[run]

    def _look_up(self, data_type: str, run: int, group: type[_Group]) -> _Group:
        asked = run if data_type in SIGNED else abs(run)
        software, parameters = self._first(
            "select SftVer, ParVer from CalVtxLumVer where BossRelease = ? and RunFrom <= ? and RunTo >= ? "
            "and DataType = ? order by rowid",
            (self._release, asked, asked, data_type),
        )
        names = [field.name for field in fields(group)]
        columns, table = ", ".join(names), TABLES[data_type]
        where = "SftVer = ? and RunFrom <= ? and RunTo >= ?"
        if parameters == DEFAULT:
            row = self._first(
                f"select {columns} from {table} where {where} order by CalParVer desc, rowid",  # noqa: S608 - our names
                (software, asked, asked),
            )
        else:
            row = self._first(
                f"select {columns} from {table} where {where} and CalParVer = ? order by rowid",  # noqa: S608 - our names
                (software, asked, asked, parameters),
            )
        values = []
        for name, value in zip(names, row, strict=True):
            if not isinstance(value, float | int) or not math.isfinite(value):
                raise JobError(f"{table}.{name} is {value!r} for run {asked}: not a number")
            values.append(float(value))
        return group(*values)

    def _first(self, sql: str, values: tuple[object, ...]) -> tuple[object, ...]:
        """Give the first row. Raises JobError with the SQL, as it would be typed."""
        typed = sql
        for value in values:
            quoted = value.replace("'", "''") if isinstance(value, str) else ""
            typed = typed.replace("?", str(value) if isinstance(value, int) else f"'{quoted}'", 1)
        try:
            row = self._connection.execute(sql, values).fetchone()
        except sqlite3.Error as error:
            raise JobError(f"the database refused: {error}\n  SQL: {typed}") from error
        if row is None:
            raise JobError(f"can not find result in the database\n  SQL: {typed}")
        return tuple(row)


def open_database(environment: Mapping[str, str]) -> closing[sqlite3.Connection]:
    """Open the database that `BOSS_DATABASE` names, to read alone; use the result in a `with`. Raises JobError."""
    name = environment.get(VARIABLE)
    if not name:
        raise JobError(f"the variable {VARIABLE} is not set: there is no database of calibration constants")
    # not `immutable=1`: that would read through the lock of somebody who is writing
    address = f"file:{quote(str(Path(name).absolute()))}?mode=ro"
    try:
        connection = sqlite3.connect(address, uri=True, timeout=LOCK_LIMIT)
    except sqlite3.Error as error:
        raise JobError(f"cannot open the database {name}: {error}") from error
    return closing(connection)
