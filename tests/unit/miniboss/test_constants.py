"""Constants are looked up as BOSS looks them up, and what cannot be is told with the SQL."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from miniboss.constants import ConstantsDatabase, open_database
from miniboss.errors import JobError

from miniboss import constants


def change(database, *statements):
    with closing(sqlite3.connect(database)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def look_up(database, run, release="1.0.0"):
    with open_database({"BOSS_DATABASE": str(database)}) as connection:
        return ConstantsDatabase(connection, release).of_run(run)


def test_a_simulated_run_has_the_constants_of_simulation(database):
    found = look_up(database, -9947)
    assert (found.mdc.HitEfficiency, found.mdc.MomentumScale) == (0.98, 1.0)
    assert found.tof.Offset == 0.0
    assert found.emc.Threshold == 0.025


def test_a_real_run_has_other_constants(database):
    found = look_up(database, 9947)
    assert (found.mdc.HitEfficiency, found.mdc.MomentumScale) == (0.9785, 0.9998)
    assert found.tof.Offset == 0.01


@pytest.mark.parametrize("run", [-9947, -10300, -10301, -10878, -27255, -27700, -27701, -28236])
@pytest.mark.parametrize("release", ["1.0.0", "1.1.0"])
def test_the_recipe_s_tables_cover_the_ends_of_their_ranges(database, run, release):
    assert look_up(database, run, release).mdc.HitEfficiency > 0.9
    assert look_up(database, -run, release).mdc.HitEfficiency > 0.9


@pytest.mark.parametrize("run", [-9946, -10879, 20000, 28237])
def test_a_run_without_a_row_is_an_error_with_the_sql(database, run):
    with pytest.raises(JobError) as caught:
        look_up(database, run)
    data_type = "Mdc" if run < 0 else "MdcData"
    assert f"RunFrom <= {abs(run)} and RunTo >= {abs(run)} and DataType = '{data_type}'" in str(caught.value)
    assert "BossRelease = '1.0.0'" in str(caught.value)


def test_a_release_without_rows_is_an_error(database):
    with pytest.raises(JobError, match=r"BossRelease = '9\.9\.9'"):
        look_up(database, -9947, "9.9.9")


def test_times_of_flight_are_looked_up_by_the_signed_run(database):
    change(database, "delete from CalVtxLumVer where DataType = 'TofSim'")
    with pytest.raises(JobError, match=r"RunFrom <= -9947 .* DataType = 'TofSim'"):
        look_up(database, -9947)


def test_of_two_rows_that_fit_the_first_is_taken(database):
    change(database, "insert into CalVtxLumVer values ('1.0.0', 'Mdc', 9000, 9999, '1.0.0', '4')")
    assert look_up(database, -9947).mdc.Resolution == 0.013


def test_a_default_version_is_the_latest(database):
    change(
        database,
        "update CalVtxLumVer set ParVer = 'default' where DataType = 'Emc'",
        "insert into EmcCalConst values ('1.0.0', '9', 9000, 11000, 0.5, 0.025, 0.02, 0.01, 0.005, 0.2)",
    )
    assert look_up(database, -9947).emc.Efficiency == 0.5


def test_a_payload_that_lacks_is_an_error_with_the_sql(database):
    change(database, "delete from EmcCalConst")
    with pytest.raises(JobError, match=r"(?s)can not find.*from EmcCalConst where SftVer = '1.0.0' .*CalParVer = '1'"):
        look_up(database, -9947)


@pytest.mark.parametrize("table", ["CalVtxLumVer", "MdcCalConst"])
def test_a_table_that_lacks_is_an_error(database, table):
    change(database, f"drop table {table}")
    with pytest.raises(JobError, match=f"no such table: {table}\n  SQL: select"):
        look_up(database, -9947)


def test_a_constant_that_is_no_number_is_an_error(database):
    change(database, "update MdcCalConst set Resolution = 'wide'")
    with pytest.raises(JobError, match=r"MdcCalConst\.Resolution is 'wide' for run 9947"):
        look_up(database, -9947)


def test_a_file_that_is_no_database_is_an_error(tmp_path):
    (tmp_path / "text").write_text("no database, but long enough to be looked at" * 100)
    with pytest.raises(JobError, match="file is not a database"):
        look_up(tmp_path / "text", -9947)


def test_a_file_that_is_not_there_is_an_error_and_is_not_made(tmp_path):
    with pytest.raises(JobError, match="unable to open database file"):
        look_up(tmp_path / "none.db", -9947)
    assert not (tmp_path / "none.db").exists()


def test_without_the_variable_there_is_no_database():
    with pytest.raises(JobError, match="BOSS_DATABASE is not set"):
        open_database({})


def test_a_locked_database_is_an_error(database, monkeypatch):
    monkeypatch.setattr(constants, "LOCK_LIMIT", 0.1)
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("begin exclusive")
        with pytest.raises(JobError, match="database is locked"):
            look_up(database, -9947)


def test_a_job_asks_once_for_a_run(database):
    with open_database({"BOSS_DATABASE": str(database)}) as connection:
        asked = []
        connection.set_trace_callback(asked.append)
        found = ConstantsDatabase(connection, "1.0.0")
        assert found.of_run(-9947) is found.of_run(-9947)
        assert len(asked) == 6


def test_another_version_of_the_constants_is_other_constants(database):
    change(database, "update CalVtxLumVer set ParVer = '2' where DataType = 'Mdc' and RunFrom = 9947")
    assert look_up(database, -9947).mdc.HitEfficiency == 0.965
