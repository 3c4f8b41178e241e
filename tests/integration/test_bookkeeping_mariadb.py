"""A bookkeeping that lives in a real MariaDB: copied as of one moment, frozen, and every way in which that fails."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from builder.bookkeeping import server as server_module
from builder.bookkeeping import snapshot, source
from builder.bookkeeping.server import Server, read_server
from builder.core.errors import InputFailure, WorkFailure
from builder.freeze.bookkeeping import frozen_bookkeeping
from tests.integration.mariadb import MariaDb, free_port, running
from tests.unit.bookkeeping.test_snapshot import bare
from tests.unit.freeze.test_bookkeeping import CONSTANTS, ROWS, Release

pytestmark = pytest.mark.integration

PASSWORD = "no secret: of a server that lives for a minute"  # noqa: S105
TABLES = """
create table CalVtxLumVer (id int auto_increment primary key, BossRelease varchar(32), DataType varchar(32),
  RunFrom int, RunTo int, SftVer varchar(32), ParVer varchar(32)) engine=innodb;
create table MdcCalConst (SftVer varchar(32), CalParVer varchar(32), RunFrom int, RunTo int, t0 double) engine=innodb;
create table MucCalConst (SftVer varchar(32), CalParVer varchar(32), RunFrom int, RunTo int, efficiency decimal(6, 4),
  tree longblob, name text) engine=innodb;
insert into MucCalConst values ('1.0', '1', 1, 9, 0.9125, x'00ff0a27', 'a\\'b;'), ('2.0', '1', 1, 9, 0.5, '', '');
"""


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: Any):
    with running(tmp_path_factory.mktemp("mariadb")) as database:
        database.run(
            f"create user reader@'127.0.0.1' identified by '{PASSWORD}'",
            f"create user nobody@'127.0.0.1' identified by '{PASSWORD}'",
        )
        yield database


@pytest.fixture
def offlinedb(mariadb: MariaDb):
    """A new database with the rows of the CSV of the unit tests."""
    rows = [line.split(",") for line in ROWS.splitlines()[1:]]
    constants = [line.split(",") for line in CONSTANTS.splitlines()[1:]]
    statements = [part for part in TABLES.split(";\n") if part.strip()]
    mariadb.run(
        "drop database if exists offlinedb",
        "create database offlinedb",
        "grant select on offlinedb.* to reader@'127.0.0.1'",
    )
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("use offlinedb")
        for statement in statements:
            cursor.execute(statement)
        cursor.executemany(
            "insert into CalVtxLumVer (BossRelease, DataType, RunFrom, RunTo, SftVer, ParVer) "
            "values (%s, %s, %s, %s, %s, %s)", rows,
        )  # fmt: skip
        cursor.executemany("insert into MdcCalConst values (%s, %s, %s, %s, %s)", constants)
    return mariadb


def place(running: MariaDb, user: str = "reader", database: str = "offlinedb") -> Server:
    return Server("127.0.0.1", running.port, database, user)


def test_what_a_server_gives_is_what_the_same_tables_as_text_give(offlinedb: MariaDb, tmp_path: Any):
    (tmp_path / "CalVtxLumVer.csv").write_text(ROWS)
    (tmp_path / "payloads").mkdir()
    (tmp_path / "payloads" / "MdcCalConst.csv").write_text(CONSTANTS)
    text = source.read_csv(tmp_path / "CalVtxLumVer.csv", tmp_path / "payloads").of_release("1.0")
    copied = read_server(place(offlinedb), PASSWORD, ["MdcCalConst"], "1.0")
    assert bare(copied) == bare(text)
    snapshot.write(text, tmp_path / "one.db")
    snapshot.write(copied, tmp_path / "two.db")
    assert (tmp_path / "one.db").read_bytes() == (tmp_path / "two.db").read_bytes()


def test_numbers_texts_and_bytes_come_as_they_are_and_a_table_is_copied_once(offlinedb: MariaDb):
    copied = read_server(place(offlinedb), PASSWORD, ["MucCalConst", "MucCalConst"], "1.0")
    (payload,) = copied.payloads
    assert payload.constants == ("efficiency", "tree", "name")
    assert [row.constants for row in payload.rows] == [(0.9125, b"\x00\xff\n'", "a'b;")]


def test_rows_come_in_the_order_of_the_primary_key(offlinedb: MariaDb):
    offlinedb.run("use offlinedb", "update CalVtxLumVer set id = 100 where RunFrom = 1 and BossRelease = '1.0'")
    assert [row.run_from for row in read_server(place(offlinedb), PASSWORD, [], "1.0").rows] == [20, 1]


def test_everything_is_read_in_one_transaction_that_only_reads(offlinedb: MariaDb):
    offlinedb.run("truncate mysql.general_log")
    read_server(place(offlinedb), PASSWORD, ["MdcCalConst"], "1.0")
    log = offlinedb.run("select argument from mysql.general_log where user_host like '%reader%' order by event_time")
    said = [str(row[0]).strip().lower() for row in log]
    start = said.index("start transaction with consistent snapshot, read only")
    tables = [number for number, text in enumerate(said) if text.startswith("select * from")]
    assert len(tables) == 2
    assert min(tables) > start
    assert not [text for text in said if text.startswith(("insert", "update", "delete", "lock", "commit"))]


def test_what_is_written_meanwhile_is_not_seen(offlinedb: MariaDb, monkeypatch: Any):
    real = server_module._table

    def slow(connection: Any, name: str, *more: Any):
        if name == "MdcCalConst":
            offlinedb.run("use offlinedb", "update MdcCalConst set t0 = 77")
        return real(connection, name, *more)

    monkeypatch.setattr(server_module, "_table", slow)
    copied = read_server(place(offlinedb), PASSWORD, ["MdcCalConst"], "1.0")
    assert copied.payloads[0].rows[0].constants == (0.5,)
    assert offlinedb.run("select distinct t0 from offlinedb.MdcCalConst") == ((77.0,),)


def test_a_dump_of_it_says_the_same(offlinedb: MariaDb, tmp_path: Any):
    copied = read_server(place(offlinedb), PASSWORD, ["MdcCalConst", "MucCalConst"], "1.0")
    for number, words in enumerate([(), ("--complete-insert", "--skip-extended-insert"), ("--compact",)]):
        dump = tmp_path / f"{number}.sql"
        dump.write_bytes(offlinedb.dump("--hex-blob", *words, "offlinedb"))
        assert bare(source.read_database(dump).of_release("1.0")) == bare(copied)


@pytest.fixture
def release(tmp_path: Any, monkeypatch: Any):
    monkeypatch.chdir(tmp_path)
    return Release(Path())


def from_server(database: MariaDb) -> str:
    return (
        f'source "mariadb" {{\n    host = "127.0.0.1"\n    port = {database.port}\n    user = "reader"\n'
        '    payloads = ["MdcCalConst"]\n  }'
    )


def test_a_release_is_frozen_from_it_once(offlinedb: MariaDb, release: Release):
    release.say(from_server(offlinedb))
    environment = {"BOSS_BUILDER_DATABASE_PASSWORD": PASSWORD}
    frozen = release.freeze(environment=environment)
    kept = frozen.lock.sources["bookkeeping"]
    assert (kept.kind, kept.source) == ("snapshot", f"mariadb://127.0.0.1:{offlinedb.port}/offlinedb")
    assert PASSWORD not in (release.folder / "recipe.lock.json").read_text()
    offlinedb.run("use offlinedb", "update MdcCalConst set t0 = 77")
    again = release.freeze(environment={})
    assert (again.lock_changed, again.lock.sources["bookkeeping"]) == (False, kept)
    book = frozen_bookkeeping(again.lock, release.store)
    assert book is not None
    assert book.payloads[0].rows[0].constants == (0.5,)


def test_what_is_wrong_in_the_server_stops_a_freeze(offlinedb: MariaDb, release: Release):
    offlinedb.run("use offlinedb", "update CalVtxLumVer set RunTo = 25 where RunFrom = 1 and BossRelease = '1.0'")
    release.say(from_server(offlinedb))
    told = release.tell(environment={"BOSS_BUILDER_DATABASE_PASSWORD": PASSWORD})
    assert f"mariadb://127.0.0.1:{offlinedb.port}/offlinedb: overlap: 1.0 Mdc 20..29" in told


def refused(kind: Any, where: Server, password: str = PASSWORD, payloads: Any = (), release: str = "1.0") -> str:
    started = time.monotonic()
    with pytest.raises(kind) as failure:
        read_server(where, password, payloads, release)
    assert time.monotonic() - started < 100
    told = "".join(f"{problem}\n" for problem in failure.value.problems)
    assert PASSWORD not in told
    return told


def test_who_may_not_read_is_told_so(offlinedb: MariaDb):
    assert "refuses the user 'reader': Access denied" in refused(InputFailure, place(offlinedb), "wrong")
    assert "refuses the user 'nobody'" in refused(InputFailure, place(offlinedb, user="nobody"))
    assert "refuses the user 'stranger'" in refused(InputFailure, place(offlinedb, user="stranger"))


def test_what_is_not_there_is_named(offlinedb: MariaDb):
    offlinedb.run("grant select on *.* to reader@'127.0.0.1'")
    assert "Table 'offlinedb.TofCalConst' doesn't exist" in refused(
        InputFailure, place(offlinedb), payloads=["TofCalConst"]
    )
    assert "Unknown database 'onlinedb'" in refused(InputFailure, place(offlinedb, database="onlinedb"))
    assert "has no row of the release '1.5'" in refused(InputFailure, place(offlinedb), release="1.5")
    offlinedb.run("drop table offlinedb.CalVtxLumVer", "revoke select on *.* from reader@'127.0.0.1'")
    assert "CalVtxLumVer" in refused(InputFailure, place(offlinedb))


def test_a_table_of_another_shape_is_refused(offlinedb: MariaDb):
    offlinedb.run("use offlinedb", "alter table CalVtxLumVer drop column ParVer, add Comment text")
    told = refused(InputFailure, place(offlinedb))
    assert "CalVtxLumVer has no column ParVer and has the unknown column 'Comment'" in told
    offlinedb.run("use offlinedb", "update MdcCalConst set t0 = null where SftVer = '1.0'", "drop table CalVtxLumVer")
    offlinedb.run(
        "create table offlinedb.CalVtxLumVer as select '1.0' as BossRelease, 'Mdc' as DataType, 1 as RunFrom, "
        "9 as RunTo, '1.0' as SftVer, '1' as ParVer"
    )
    assert "t0 is not a constant: NULL" in refused(InputFailure, place(offlinedb), payloads=["MdcCalConst"])


def test_a_table_that_would_fill_the_memory_is_refused(offlinedb: MariaDb, monkeypatch: Any):
    monkeypatch.setattr(server_module, "MAXIMUM_BYTES", 1000)
    offlinedb.run("insert into offlinedb.MucCalConst values ('1.0', '2', 1, 9, 0.5, repeat('x', 2000), '')")
    told = refused(InputFailure, place(offlinedb), payloads=["MucCalConst"])
    assert "MucCalConst holds more than 1000 bytes" in told


def test_a_locked_table_is_not_waited_for_without_end(offlinedb: MariaDb, monkeypatch: Any):
    monkeypatch.setattr(server_module, "LOCK_LIMIT", 1)
    with offlinedb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("lock tables offlinedb.CalVtxLumVer write")
        assert "a table is locked, or took too long" in refused(WorkFailure, place(offlinedb))
        cursor.execute("unlock tables")
    assert len(read_server(place(offlinedb), PASSWORD, [], "1.0").rows) == 2


def test_a_query_that_takes_too_long_is_ended(offlinedb: MariaDb, monkeypatch: Any):
    monkeypatch.setattr(server_module, "READ_LIMIT", 2)
    offlinedb.run(
        "use offlinedb", "rename table CalVtxLumVer to Hidden",
        "create view CalVtxLumVer as select BossRelease, DataType, RunFrom, RunTo + sleep(300) as RunTo, "
        "SftVer, ParVer from Hidden",
    )  # fmt: skip
    refused(WorkFailure, place(offlinedb))


def test_nobody_at_the_port_or_somebody_who_says_nothing(monkeypatch: Any):
    nobody = Server("127.0.0.1", free_port(), "offlinedb", "reader")
    assert "can not be reached" in refused(WorkFailure, nobody)
    assert "can not be reached" in refused(WorkFailure, Server("nowhere.invalid", 3306, "offlinedb", "reader"))
    monkeypatch.setattr(server_module, "READ_LIMIT", 1)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        refused(WorkFailure, Server("127.0.0.1", silent.getsockname()[1], "offlinedb", "reader"))


def test_a_stranger_at_the_port_is_not_taken_for_a_server():
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=greet, args=(listener,))
        thread.start()
        refused(WorkFailure, Server("127.0.0.1", listener.getsockname()[1], "offlinedb", "reader"))
        thread.join(10)


def greet(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3)
