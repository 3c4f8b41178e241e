"""The tables of calibration constants that a recipe freezes, and where they come from."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from builder.recipe.fields import VARIABLE, Block, FilePath, FolderPath, GuestPath, Name


class CsvTables(Block, frozen=True, kw_only=True, tag_field="kind", tag="csv"):
    """`source "csv" { ... }`: tables as text; the first line of each names its columns."""

    table: Annotated[FilePath, Meta(description="the table of calibration constants, CalVtxLumVer")]
    payloads: Annotated[
        FolderPath | None, Meta(description="a folder of NAME.csv, one for each table that holds constants")
    ] = None


class DatabaseDump(Block, frozen=True, kw_only=True, tag_field="kind", tag="dump"):
    """`source "dump" { ... }`: what mysqldump or sqlite3's .dump wrote, or a file of sqlite."""

    file: FilePath


class MariaDb(Block, frozen=True, kw_only=True, tag_field="kind", tag="mariadb"):
    """`source "mariadb" { ... }`: a server of MariaDB or MySQL that is asked when the release is frozen."""

    host: Annotated[
        str,
        Meta(min_length=1, pattern=r"^[A-Za-z0-9._:-]+$", description="a name or address: letters, digits and . _ : -"),
    ]
    port: Annotated[int, Meta(ge=1, le=65535)] = 3306
    database: Name = "offlinedb"
    user: Name
    password_variable: Annotated[
        str, Meta(pattern=VARIABLE, description="of the environment, it holds the password: letters, digits and _")
    ] = "BOSS_BUILDER_DATABASE_PASSWORD"  # noqa: S105 - the name of a variable, not a password
    payloads: Annotated[tuple[Name, ...], Meta(description="tables that hold constants, copied too")] = ()


TableSource = CsvTables | DatabaseDump | MariaDb
BookkeepingFinding = Literal[
    "overlap", "gap", "inverted", "unknown-type", "wrong-sign", "default-version", "no-version", "no-payload"
]


class Bookkeeping(Block, frozen=True, kw_only=True):
    """`bookkeeping { ... }`: which calibration constants belong to which runs; the image holds it as sqlite."""

    source: TableSource
    release: Annotated[
        str, Meta(description="BossRelease of the rows that belong to this release; default: its version")
    ] = ""
    install_to: Annotated[GuestPath, Meta(description="the sqlite file in the image")] = (
        "/usr/share/bookkeeping/offlinedb.db"
    )
    accept: Annotated[
        tuple[BookkeepingFinding, ...], Meta(description="findings of `bookkeeping check` that do not stop a freeze")
    ] = ("gap",)
