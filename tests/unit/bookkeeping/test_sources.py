"""Reading: CSV, dumps of mysqldump and sqlite3, files of sqlite; and whatever else somebody gives."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builder.bookkeeping.source import read_csv, read_database, read_file
from builder.bookkeeping.table import Row
from builder.core.errors import InputFailure, Location

HEAD = "BossRelease,DataType,RunFrom,RunTo,SftVer,ParVer\n"
PAYLOAD = "SftVer,CalParVer,RunFrom,RunTo,t0\n"
MYSQL = """\
-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)
--
/*!40101 SET NAMES utf8mb4 */;
DROP TABLE IF EXISTS `CalVtxLumVer`;
CREATE TABLE `CalVtxLumVer` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `BossRelease` varchar(32) DEFAULT NULL,
  `DataType` varchar(32) DEFAULT NULL COMMENT 'it''s; a type',
  `RunFrom` int(11) DEFAULT NULL,
  `RunTo` int(11) DEFAULT NULL,
  `SftVer` varchar(32) DEFAULT NULL,
  `ParVer` varchar(32) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `runs` (`RunFrom`,`RunTo`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
LOCK TABLES `CalVtxLumVer` WRITE;
/*!40000 ALTER TABLE `CalVtxLumVer` DISABLE KEYS */;
INSERT INTO `CalVtxLumVer` VALUES
(1,'6.6.4','Mdc',9810,10878,'6.6.2.b','1'),
(2,'6.6.4','EsTof',-28648,-27147,'a\\'b;\\\\',NULL);
/*!40000 ALTER TABLE `CalVtxLumVer` ENABLE KEYS */;
UNLOCK TABLES;
CREATE TABLE `MdcCalConst` (`SftVer` varchar(32), `CalParVer` varchar(32), `RunFrom` int, `RunTo` int, `t0` double,
  `name` text, `blob` longblob);
INSERT INTO `MdcCalConst` VALUES ('6.6.2.b','1',9810,10878,-1.5e-3,'x',0x00FF);
CREATE TABLE `Other` (`a` int);
INSERT INTO `Other` VALUES (1),(2);
-- Dump completed on 2026-01-01  0:00:00
"""


@pytest.fixture
def file(tmp_path: Any, monkeypatch: Any):
    """Write a file into the current folder; give its path."""
    monkeypatch.chdir(tmp_path)

    def file(name: str, content: str | bytes) -> Path:
        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return file


def said(read: Any, *arguments: Any):
    with pytest.raises(InputFailure) as failure:
        read(*arguments)
    return "".join(f"{problem}\n" for problem in failure.value.problems)


def test_rows_keep_their_order_and_their_lines(file: Any):
    path = file("t.csv", HEAD + '1.0,Mdc,5,9,1.0,1\n\n"1,0",TofSim,-9,-5,,\r\n')
    assert read_csv(path).rows == (
        Row("1.0", "Mdc", 5, 9, "1.0", "1", Location("t.csv", 2)),
        Row("1,0", "TofSim", -9, -5, "", "", Location("t.csv", 4)),
    )


def test_columns_may_stand_in_any_order_and_a_mark_of_utf_8_does_no_harm(file: Any):
    path = file("t.csv", "\ufeffParVer,RunTo,RunFrom,DataType,SftVer,BossRelease\n1,9,5,Mdc,2.0,1.0\n")
    assert read_file(path).rows == (Row("1.0", "Mdc", 5, 9, "2.0", "1", Location("t.csv", 2)),)


def test_payload_tables_are_the_files_of_a_folder(file: Any):
    table = file("t.csv", HEAD + "1.0,Mdc,5,9,1.0,1\n")
    file("payloads/TofCalConst.csv", PAYLOAD + "1.0,1,5,9,1\n")
    folder = file("payloads/MdcCalConst.csv", PAYLOAD + "1.0,1,5,9,-2.5e-3\n").parent
    value = read_csv(table, folder)
    assert [(p.name, p.data_type, p.constants, p.rows[0].constants) for p in value.payloads] == [
        ("MdcCalConst", "Mdc", ("t0",), (-0.0025,)),
        ("TofCalConst", "Tof", ("t0",), (1.0,)),
    ]


@pytest.mark.parametrize(
    ("name", "data_type"),
    [
        ("MdcDataConst", "MdcData"), ("MdcAlignConst", "MdcAlign"), ("TofSimConst", "TofSim"), ("DedxSim", "DedxSim"),
        ("EstTofCalConst", "EsTof"), ("EsTimeCalConst", "EsTime"), ("BeamPar", ""),
    ],
)  # fmt: skip
def test_a_payload_table_belongs_to_the_longest_type_that_its_name_begins_with(file: Any, name: Any, data_type: Any):
    table = file("t.csv", HEAD + "1.0,Mdc,5,9,1.0,1\n")
    folder = file(f"payloads/{name}.csv", PAYLOAD + "1.0,1,5,9,1\n").parent
    assert read_csv(table, folder).payloads[0].data_type == data_type


def test_every_bad_cell_is_told_with_its_line(file: Any):
    path = file("t.csv", HEAD + "1.0,Mdc,five,9,1.0,1\n,Mdc,1,99999999999,1.0,1\n1.0,Mdc,1,9\n1.0,M\tdc,1,2,3,4\n")
    assert said(read_csv, path) == (
        "t.csv:2: RunFrom is not a run: 'five'\n    a whole number of -2147483647 to 2147483647\n"
        "t.csv:3: RunTo is not a run: '99999999999'\n    a whole number of -2147483647 to 2147483647\n"
        "t.csv:4: the row has 4 cells, not 6\n    one for each column\n"
        "t.csv:5: DataType is not a name: 'M\\tdc'\n    at most 255 printable characters\n"
    )


def test_many_bad_cells_are_told_shortly(file: Any):
    path = file("t.csv", HEAD + "1.0,Mdc,x,9,1.0,1\n" * 500)
    assert said(read_csv, path).count("is not a run") == 20
    assert said(read_csv, path).endswith("t.csv:1: and 480 more like these\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "t.csv: the file is empty"),
        ("a,b\n1,2\n", "t.csv:1: CalVtxLumVer has no column BossRelease, DataType, RunFrom, RunTo, SftVer, ParVer"),
        (HEAD.replace("ParVer", "ParVer,Extra"), "has the unknown column 'Extra'"),
        (HEAD.replace("ParVer", "ParVer,parver"), "has a column twice"),
        (HEAD + '1.0,"Mdc,1,2,3,4\n', "t.csv:2: this is no CSV: unexpected end of data"),
        (HEAD + '1.0,"M"dc,1,2,3,4\n', "t.csv:2: this is no CSV"),
        (HEAD.encode() + b"1.0,M\xffdc,1,2,3,4\n", "t.csv:2: this is not UTF-8"),
        (b"\x89PNG\0\0", "t.csv: this is no text"),
    ],
)
def test_what_is_no_table_is_refused(file: Any, content: Any, message: Any):
    assert message in said(read_csv, file("t.csv", content))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("MdcCalConst.csv", PAYLOAD + "1.0,1,5,9,fast\n", "MdcCalConst.csv:2: t0 is not a constant: 'fast'"),
        ("MdcCalConst.csv", PAYLOAD + "1.0,1,5,9,nan\n", "t0 is not a constant: 'nan'"),
        ("MdcCalConst.csv", PAYLOAD + "1.0,1,5,9,\n", "t0 is not a constant: ''"),
        ("MdcCalConst.csv", PAYLOAD + "1.0,1,5,9,1e999\n", "t0 is not a constant: '1e999'"),
        ("MdcCalConst.csv", PAYLOAD.replace(",t0", ""), "MdcCalConst holds no constants"),
        ("MdcCalConst.csv", PAYLOAD.replace("t0", "t0;drop"), "a table or column can not be called 't0;drop'"),
        ("sqlite_master.csv", PAYLOAD, "a table or column can not be called 'sqlite_master'"),
        ("calvtxlumver.csv", PAYLOAD, "two tables are called CalVtxLumVer and calvtxlumver"),
        ("README", "", "a folder of payload tables holds NAME.csv alone; it holds 'README'"),
    ],
)
def test_what_is_no_payload_table_is_refused(file: Any, name: Any, content: Any, message: Any):
    table = file("t.csv", HEAD + "1.0,Mdc,5,9,1.0,1\n")
    assert message in said(read_csv, table, file(f"payloads/{name}", content).parent)


def test_a_dump_of_mysqldump_is_read(file: Any):
    value = read_database(file("d.sql", MYSQL))
    assert value.rows == (
        Row("6.6.4", "Mdc", 9810, 10878, "6.6.2.b", "1", Location("d.sql", 18)),
        Row("6.6.4", "EsTof", -28648, -27147, "a'b;\\", "", Location("d.sql", 18)),
    )
    (payload,) = value.payloads
    assert (payload.name, payload.constants) == ("MdcCalConst", ("t0", "name", "blob"))
    assert payload.rows[0].constants == (-0.0015, "x", b"\0\xff")


@pytest.mark.parametrize("mark", ["", "PRAGMA foreign_keys=OFF;\n"])
def test_an_insert_of_many_rows_is_read_whole(file: Any, mark: Any):
    table = (
        "CREATE TABLE CalVtxLumVer (BossRelease text, DataType text, RunFrom int, RunTo int, SftVer text, ParVer text);"
    )
    rows = [f"('1.0','Mdc''),(',{n},{n},'a,b',NULL)" for n in range(1_203)]
    value = read_database(file("d.sql", f"{mark}{table}\nINSERT INTO CalVtxLumVer VALUES {','.join(rows)};\n"))
    assert [row.run_from for row in value.rows] == list(range(1_203))
    assert {(row.data_type, row.software) for row in value.rows} == {("Mdc'),(", "a,b")}


def test_a_dump_and_a_file_of_sqlite_say_the_same(file: Any):
    with closing(sqlite3.connect("d.db")) as connection:
        connection.executescript(
            'create table "CalVtxLumVer"(BossRelease TEXT, DataType TEXT, RunFrom INT, RunTo INT, SftVer TEXT, ParVer);'
            "insert into CalVtxLumVer values('1''0','Mdc',-1,9,'1\\n',NULL),('1.0','Tof',-5,-2,'x;y',7);"
            "create table MdcCalConst(t0 REAL, SftVer, CalParVer, RunFrom, RunTo);"
            "insert into MdcCalConst values(1e-3,'1.0','1',1,9);"
            "create view v as select * from CalVtxLumVer; create index i on CalVtxLumVer(RunTo);"
        )
        connection.execute("drop view v")
        dump = "PRAGMA foreign_keys=OFF;\n" + "\n".join(connection.iterdump())
    one, two = read_database(Path("d.db")), read_database(file("d.sql", dump))
    assert [(r.release, r.run_from, r.software, r.parameters) for r in one.rows] == [
        ("1'0", -1, "1\\n", ""),
        ("1.0", -5, "x;y", "7"),
    ]
    for a, b in zip((*one.rows, *one.payloads[0].rows), (*two.rows, *two.payloads[0].rows), strict=True):
        assert [getattr(a, f) for f in a.__struct_fields__ if f != "at"] == [
            getattr(b, f) for f in b.__struct_fields__ if f != "at"
        ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("UNLOCK TABLES;", "UPDATE CalVtxLumVer SET RunTo = 9;"),
            "d.sql:22: a dump does not say 'UPDATE CalVtxLumVer SET'",
        ),
        (("UNLOCK TABLES;", "DELETE FROM `CalVtxLumVer`;"), "a dump does not say"),
        (("UNLOCK TABLES;", "LOAD DATA INFILE '/etc/passwd' INTO TABLE CalVtxLumVer;"), "a dump does not say"),
        (("UNLOCK TABLES;", "ATTACH DATABASE '/etc/x' AS y;"), "a dump does not say"),
        (("(1,'6.6.4'", "((select 1),'6.6.4'"), "d.sql:18: a value is no constant"),
        (("(1,'6.6.4'", "(sleep(9),'6.6.4'"), "d.sql:18: a value is no constant"),
        (("(1,'6.6.4'", "('6.6.4'"), "a row of CalVtxLumVer has 6 values, not 7"),
        (("(1,'6.6.4','Mdc'", "(1,_binary 'x','Mdc'"), "mysqldump --hex-blob"),
        (("'6.6.2.b','1')", "'6.6.2.b,1)"), "d.sql:18: the statement can not be parsed"),
        (("-- Dump completed", "/* Dump"), "never ends"),
        (("INSERT INTO `Other` VALUES (1),(2);", "INSERT INTO `Other` VALUES (1"), "the last statement does not end"),
        (
            ("CREATE TABLE `CalVtxLumVer`", "CREATE TABLE `CalVtx`"),
            "the table CalVtxLumVer is filled before it is made",
        ),
        (("`CalVtxLumVer`", "`CalVtx`"), "there is no table CalVtxLumVer"),
        (("9810,10878,'6.6.2.b','1')", "9810.5,10878,'6.6.2.b','1')"), "d.sql:18: RunFrom is not a run: 9810.5"),
    ],
)
def test_what_is_no_dump_is_refused(file: Any, change: Any, message: Any):
    count = -1 if change[0] == "`CalVtxLumVer`" else 1
    text = MYSQL.replace(*change, count)
    assert text != MYSQL
    assert message in said(read_database, file("d.sql", text))


@pytest.mark.usefixtures("file")
def test_a_view_is_not_taken_for_the_table():
    with closing(sqlite3.connect("d.db")) as connection:
        connection.executescript(
            "create table t(BossRelease, DataType, RunFrom, RunTo, SftVer, ParVer);"
            "create view CalVtxLumVer as select randomblob(1000000000), * from t;"
        )
    assert "CalVtxLumVer is a view, not a table" in said(read_database, Path("d.db"))


def test_a_file_of_sqlite_that_is_no_database_is_refused(file: Any):
    assert "d.db: this file of sqlite can not be read" in said(
        read_database, file("d.db", b"SQLite format 3\0" + b"\x5a" * 5000)
    )


PIECES = [
    "CREATE TABLE", "INSERT INTO", "VALUES", "(", ")", ",", "'", '"', "`", ";", "--", "\n", "/*", "*/", "\\", "1",
    "-1.5", "0x", " CalVtxLumVer ", " int ", "NULL", "#", "X'", "PRAGMA foreign_keys=OFF;\n", " ", "DELIMITER",
]  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30))
@example(pieces=["INSERT INTO", " CalVtxLumVer ", "VALUES", "(" * 3000])
@example(pieces=["'"] + ["''", "\\'"] * 5000)
def test_a_soup_of_words_is_refused_shortly(file: Any, pieces: Any):
    started = time.monotonic()
    assert said(read_database, file("d.sql", "".join(pieces)))
    assert time.monotonic() - started < 60


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=300))
def test_random_bytes_are_refused(file: Any, data: Any):
    assert said(read_database, file("d.sql", data))
    assert said(read_csv, file("t.csv", data))
