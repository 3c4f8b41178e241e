"""boss.exe from job options to histograms, with the recipe's own job options."""

from __future__ import annotations

import json
import shutil
from contextlib import chdir

import numpy as np
import pytest
from miniboss.event_files import read_digitised, read_reconstructed

from miniboss import main

CHANNELS = ("ee", "mumu", "ppbar", "rhopi", "kskpi")
TRACKER = {
    "layers": 43,
    "inner_radius_cm": 8,
    "outer_radius_cm": 76,
    "max_abs_cos_theta": 0.9,
    "radiation_lengths_per_layer": 0,
}
STEPS = ("sim", "rec", "ana")


@pytest.fixture
def area(tmp_path, sources):
    """The part of an installation that jobs read."""
    target = tmp_path / "area" / "share"
    shutil.copytree(sources / "share", target)
    shutil.copytree(sources / "lib" / "miniboss" / "decay_cards", target / "decay_cards")
    return target.parent


@pytest.fixture
def boss(tmp_path, recipe, environment, area, monkeypatch, capsys):
    """Run the jobs of a channel, `more` appended to the first; gives the exit codes and what was said."""
    for name, value in {**environment, "BesArea": str(area)}.items():
        monkeypatch.setenv(name, value)

    def run(channel, more="", steps=STEPS, folder="job"):
        place = tmp_path / folder
        shutil.copytree(recipe / "jobs" / channel, place, dirs_exist_ok=True)
        options = place / f"jobOptions_{steps[0]}.txt"
        options.write_text(options.read_text() + more)
        codes = []
        with chdir(place):
            for step in steps:
                codes.append(main.main([f"jobOptions_{step}.txt"]))
                if codes[-1]:
                    break
        return codes, capsys.readouterr().out

    return run


def histograms(tmp_path, channel, folder="job"):
    return json.loads((tmp_path / folder / f"{channel}.json").read_text())


@pytest.mark.parametrize("channel", CHANNELS)
def test_each_channel_runs_from_generation_to_histograms(boss, tmp_path, channel):
    codes, said = boss(channel, "ApplicationMgr.EvtMax = 300;\nBesRndmGenSvc.RndmSeed = 5;\n")
    assert codes == [0, 0, 0]
    assert said.count("BOSS version: 1.0.0\n") == 3
    assert said.count("Application Manager Finalized successfully") == 3
    assert said.count("is a toy") == 3
    made = histograms(tmp_path, channel)
    total = sum(made["trk_eff_cos_total"]["storage"]["values"])
    passed = sum(made["trk_eff_cos_passed"]["storage"]["values"])
    assert 0.8 < passed / total < 1  # the worst of the run ranges loses a seventh
    assert sorted(path.suffix for path in (tmp_path / "job").iterdir() if path.suffix != ".txt") == [
        ".dst",
        ".json",
        ".rtraw",
    ]


def test_one_seed_gives_the_same_bytes_and_another_does_not(boss, tmp_path):
    for folder, seed in (("one", 5), ("two", 5), ("three", 6)):
        assert (
            boss("rhopi", f"ApplicationMgr.EvtMax = 60;\nBesRndmGenSvc.RndmSeed = {seed};\n", folder=folder)[0][-1] == 0
        )
    for suffix in ("rtraw", "dst", "json"):
        one, two, three = ((tmp_path / f / f"rhopi.{suffix}").read_bytes() for f in ("one", "two", "three"))
        assert one == two
        assert one != three


def test_an_event_does_not_depend_on_how_many_are_asked_for(boss, tmp_path):
    found = {}
    for events in (20, 5010):
        boss("kskpi", f"ApplicationMgr.EvtMax = {events};\n", steps=("sim", "rec"), folder=f"of-{events}")
        found[events] = list(read_reconstructed(tmp_path / f"of-{events}" / "kskpi.dst"))
    assert [len(block.events.found) for block in found[5010]] == [5000, 10]
    few, many = (found[events][0].events.helix for events in (20, 5010))
    assert np.array_equal(few, many[:20])
    assert few.any()


def test_no_events_give_empty_histograms(boss, tmp_path):
    codes, said = boss("ee", "ApplicationMgr.EvtMax = 0;\n")
    assert codes == [0, 0, 0]
    assert "0 events" in said
    assert not any(sum(one["storage"]["values"]) for one in histograms(tmp_path, "ee").values())


def test_reconstruction_stops_at_the_events_asked_for(boss, tmp_path):
    assert boss("ee", "ApplicationMgr.EvtMax = 40;\n", steps=("sim",))[0] == [0]
    assert boss("ee", "ApplicationMgr.EvtMax = 15;\n", steps=("rec",))[0] == [0]
    (block,) = read_reconstructed(tmp_path / "job" / "ee.dst")
    assert len(block.events.found) == len(block.events.truth.pdg) == 15


def test_runs_are_spread_over_the_list_and_carried_along(boss, tmp_path):
    more = "ApplicationMgr.EvtMax = 25001;\nRealizationSvc.RunIdList = {10300, 0, 10301};\n"
    assert boss("ee", more, steps=("sim",))[0] == [0]
    runs = [block.run for block in read_digitised(tmp_path / "job" / "ee.rtraw")]
    assert len(runs) == 6
    assert set(runs) == {10300, 10301}


def test_the_run_chooses_the_constants(boss, tmp_path):
    efficiency = {}
    for run in (-9947, 9947):
        more = f"ApplicationMgr.EvtMax = 4000;\nRealizationSvc.RunIdList = {{{run}}};\n"
        boss("ee", more, steps=("sim",), folder=str(run))
        (block,) = read_digitised(tmp_path / str(run) / "ee.rtraw")
        crossed = ~np.isnan(block.events.phi).all(axis=-1)
        efficiency[run] = 1 - np.isnan(block.events.phi[crossed]).mean()
    assert efficiency[-9947] == pytest.approx(0.9800, abs=0.0008)
    assert efficiency[9947] == pytest.approx(0.9785, abs=0.0008)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"BOSS_DATABASE": None}, "ERROR! the variable BOSS_DATABASE is not set"),
        ({"BOSS_DATABASE": "/none.db"}, "ERROR! cannot open the database /none.db: unable to open database file"),
        ({"DETECTOR_GEOMETRY_ROOT": None}, "ERROR! the variable DETECTOR_GEOMETRY_ROOT is not set"),
        ({"DETECTOR_GEOMETRY_ROOT": "/none"}, "ERROR! cannot read the detector geometry"),
    ],
)
def test_what_lacks_in_the_environment_ends_the_job(boss, tmp_path, monkeypatch, change, message):
    for name, value in change.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    codes, said = boss("ee")
    assert codes == [1]
    assert message in said
    assert not list((tmp_path / "job").glob("*.rtraw"))


def test_a_run_without_constants_ends_the_job_with_the_sql(boss, tmp_path):
    codes, said = boss("ee", "RealizationSvc.RunIdList = {-9000};\n")
    assert codes == [1]
    assert "ERROR! can not find result in the database\n  SQL: select SftVer, ParVer from CalVtxLumVer" in said
    assert not list((tmp_path / "job").glob(".*"))


def test_a_decay_card_that_lacks_ends_the_job(boss):
    codes, said = boss("ee", 'EvtDecay.userDecayTableName = "none.dec";\n')
    assert codes == [1]
    assert "ERROR! cannot read the decay card none.dec: No such file" in said


def test_another_channel_s_events_end_the_analysis(boss):
    codes, said = boss("ee", 'EvtDecay.userDecayTableName = "$BesArea/share/decay_cards/kskpi.dec";\n')
    assert codes == [0, 0, 1]
    assert "ERROR! events of 4 tracks and 0 photons are not of the channel ee" in said


def test_an_input_that_is_damaged_ends_the_job(boss, tmp_path):
    boss("ee", steps=("sim",))
    (tmp_path / "job" / "ee.rtraw").write_bytes(b"nothing")
    codes, said = boss("ee", steps=("rec",))
    assert codes == [1]
    assert "ERROR! ee.rtraw is damaged, or not a file of events" in said


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "cannot be understood"),
        ("{}", "lacks 'tracker'"),
        ('{"tracker": {}}', "lacks 'field_tesla'"),
        ("[]", "cannot be understood"),
        (json.dumps({"field_tesla": 0, "tracker": TRACKER}), "describes no detector"),
        (json.dumps({"field_tesla": 1, "tracker": {**TRACKER, "layers": 2}}), "describes no detector"),
    ],
)
def test_a_geometry_that_is_none_ends_the_job(boss, tmp_path, monkeypatch, document, message):
    (tmp_path / "geometry.json").write_text(document)
    monkeypatch.setenv("DETECTOR_GEOMETRY_ROOT", str(tmp_path))
    codes, said = boss("ee")
    assert codes == [1]
    assert message in said
