"""The bookkeeping, typed: rows of CalVtxLumVer, and the payload tables that hold the constants themselves.

BOSS keeps them in the database `offlinedb`. A row says which version of the calibration (SftVer, ParVer) holds for the
runs RunFrom to RunTo, both included, of a release and a data type; a payload table holds the constants of a version.
Simulated runs are negative.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from builder.core.errors import InputFailure, Location

CALIBRATION = "CalVtxLumVer"
CALIBRATION_COLUMNS = ("BossRelease", "DataType", "RunFrom", "RunTo", "SftVer", "ParVer")
PAYLOAD_COLUMNS = ("SftVer", "CalParVer", "RunFrom", "RunTo")
"""Of every payload table; the columns after them are its constants."""
DEFAULT = "default"
"""The ParVer that asks for the highest CalParVer there is (`order by CalParVer desc`)."""
DATA_TYPES = (
    "Mdc", "MdcAlign", "MdcData", "Dedx", "DedxSim", "DedxCurve", "Tof", "TofSim", "TofQElec", "Emc", "Muc", "EsTime",
    "EsTof", "LumVtx",
)  # fmt: skip
"""The data types in BOSS's code."""
SIGNED = frozenset({"Tof", "EsTof", "TofSim", "DedxSim"})
"""Looked up by the signed run (TofCal, EstTofCal, TofSim and DedxSim of BOSS); all others by its absolute value."""
SERVICES = {"EstTof": "EsTof"}
"""Names of payload tables that spell a data type otherwise."""
MAXIMUM_ROWS = 100_000
"""Of a table."""
MAXIMUM_COLUMNS = 500
MAXIMUM_RUN = 2**31 - 1

Constant = float | str | bytes


class Row(msgspec.Struct, frozen=True):
    """A row of CalVtxLumVer. An empty version is one that nobody can read any more."""

    release: str
    data_type: str
    run_from: int
    run_to: int
    software: str
    """SftVer."""
    parameters: str
    """ParVer."""
    at: Location | None = None

    @property
    def runs(self) -> str:
        """The range, for people."""
        return runs_text(self.run_from, self.run_to)

    @property
    def version(self) -> str:
        """Both versions, for people."""
        return f"{self.software or '?'}/{self.parameters or '?'}"


class PayloadRow(msgspec.Struct, frozen=True):
    """A row of a payload table: the constants of a version for some runs."""

    software: str
    """SftVer."""
    parameters: str
    """CalParVer."""
    run_from: int
    run_to: int
    constants: tuple[Constant, ...]
    at: Location | None = None


class Payload(msgspec.Struct, frozen=True):
    """A payload table: its name, the names of its constants, its rows in their order."""

    name: str
    constants: tuple[str, ...]
    rows: tuple[PayloadRow, ...]

    @property
    def data_type(self) -> str:
        """The data type whose constants it holds: the longest one that its name begins with; empty where none is.

        MdcDataConst belongs to MdcData, not to Mdc.
        """
        names = {name: name for name in DATA_TYPES} | SERVICES
        fitting = [name for name in names if self.name.startswith(name)]
        return names[max(fitting, key=len)] if fitting else ""


class Bookkeeping(msgspec.Struct, frozen=True):
    """All tables, rows in the order of their source: where several fit, BOSS takes the first."""

    rows: tuple[Row, ...]
    payloads: tuple[Payload, ...] = ()

    @property
    def releases(self) -> tuple[str, ...]:
        """The releases that have rows, sorted."""
        return tuple(sorted({row.release for row in self.rows}))

    def payloads_of(self, data_type: str) -> tuple[Payload, ...]:
        """Give the payload tables of a data type."""
        return tuple(payload for payload in self.payloads if payload.data_type == data_type)

    def of_release(self, release: str) -> Bookkeeping:
        """Leave out the rows of other releases, and the constants that the rest can not name.

        What a database gains for later releases therefore does not change what belongs to this one. Raises
        InputFailure where it has no row of the release.
        """
        rows = tuple(row for row in self.rows if row.release == release)
        if not rows:
            known = ", ".join(self.releases) or "none"
            raise InputFailure(
                f"{CALIBRATION} has no row of the release {release!r}", hint=f"releases that it has: {known}"
            )
        software = {row.software for row in rows}
        payloads = tuple(
            msgspec.structs.replace(p, rows=tuple(row for row in p.rows if row.software in software))
            for p in self.payloads
        )
        return Bookkeeping(rows, payloads)


def runs_text(run_from: int, run_to: int) -> str:
    """Spell a range of runs: `8093..9779`, or one run alone."""
    return str(run_from) if run_from == run_to else f"{run_from}..{run_to}"


def sorted_payloads(payloads: Iterable[Payload]) -> tuple[Payload, ...]:
    """Bring payload tables into the order of their names. Raises InputFailure where two differ in case alone."""
    ordered = tuple(sorted(payloads, key=lambda payload: payload.name))
    seen = {CALIBRATION.lower(): CALIBRATION}
    for payload in ordered:
        other = seen.setdefault(payload.name.lower(), payload.name)
        if other is not payload.name:
            raise InputFailure(
                f"two tables are called {other} and {payload.name}", hint="sqlite does not tell capitals from others"
            )
    return ordered
