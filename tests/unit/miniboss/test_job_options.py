"""Job options are read as BOSS's are, and a mistake is told with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from miniboss.decay_card import Channel
from miniboss.errors import JobError
from miniboss.job_options import JobOptionsError, parse_job_options, read_job_options
from miniboss.jobs import AnalysisJob, ReconstructionJob, SimulationJob, job_of

SIMULATION = """
ApplicationMgr.DLLs += {"BesEvtGen", "BesSim"};
ApplicationMgr.TopAlg += {"EvtDecay", "BesSim"};
ApplicationMgr.EvtMax = 50;
BesRndmGenSvc.RndmSeed = 7;
RealizationSvc.RunIdList = {-9947, 0, -10878};
EvtDecay.userDecayTableName = "$HERE/rhopi.dec";
RootCnvSvc.digiRootOutputFile = "x.rtraw";
"""
RECONSTRUCTION = """
ApplicationMgr.DLLs = {"ToyRecAlg", "WriteDst"};
ApplicationMgr.TopAlg = {"ToyRec", "WriteDst"};
ApplicationMgr.EvtMax = -1;
EventCnvSvc.digiRootInputFile = {"x.rtraw", "y.rtraw"};
WriteDst.digiRootOutputFile = "x.dst";
"""
ANALYSIS = """
ApplicationMgr.DLLs += {"KsKpiAlg"};
ApplicationMgr.TopAlg += {"KsKpi"};
ApplicationMgr.EvtMax = 10;
EventCnvSvc.digiRootInputFile = {"x.dst"};
HistogramPersistencySvc.OutputFile = "x.json";
"""


def job(text, environment=None):
    return job_of(parse_job_options(text, "job.txt"), environment or {"HERE": "/cards"})


def values(text):
    return [(found.full_name, found.value) for found in parse_job_options(text, "job.txt")]


def test_a_simulation():
    runs = range(-10878, -9946)
    assert job(SIMULATION) == SimulationJob(50, 7, runs, Path("/cards/rhopi.dec"), Path("x.rtraw"))


def test_a_reconstruction():
    assert job(RECONSTRUCTION) == ReconstructionJob((Path("x.rtraw"), Path("y.rtraw")), None, Path("x.dst"))


def test_an_analysis():
    assert job(ANALYSIS) == AnalysisJob(Channel.KSKPI, (Path("x.dst"),), 10, Path("x.json"))


def test_the_last_of_several_lines_wins():
    changed = job(SIMULATION + "ApplicationMgr.EvtMax = 9;\nRealizationSvc.RunIdList = {27255};")
    assert (changed.events, changed.runs) == (9, range(27255, 27256))


def test_no_events_are_a_job_too():
    assert job(SIMULATION + "ApplicationMgr.EvtMax = 0;").events == 0


def test_numbers_texts_lists_and_comments_are_read():
    text = """// a comment
    A.b = 1; /* another; A.c = 2; */ A.d = "a // b; c";
    A.e = {
        "x", // here too
        2
    };
    A.f = [-1, +2];  A.g = {}; A.h = 3.097; A.i += {1};
    """
    assert values(text) == [
        ("A.b", 1),
        ("A.d", "a // b; c"),
        ("A.e", ("x", 2)),
        ("A.f", (-1, 2)),
        ("A.g", ()),
        ("A.h", 3.097),
        ("A.i", (1,)),
    ]


@pytest.mark.parametrize(
    "value", ["", "x", "{1,,2}", "{1", "{{1}}", '"open', "1 2", "{1 2}", "99999999999999999999", "1e9999"]
)
def test_a_value_that_is_none_is_an_error(value):
    with pytest.raises(JobOptionsError, match=r"job\.txt:2: "):
        values(f"\nA.b = {value};")


@given(st.text(alphabet='A.b=+;{}[]",#include1 \n/*$-', max_size=60))
def test_anything_is_read_or_refused_with_a_line(text):
    said = ""
    lines = []
    try:
        lines = [found.line for found in parse_job_options(text, "job.txt")]
    except JobOptionsError as error:
        said = str(error)
    assert said == "" or said.startswith("job.txt:")
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


def test_what_is_included_comes_where_it_is_named(tmp_path):
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "first.txt").write_text('A.b = 1;\n#include "second.txt"\n')
    (tmp_path / "share" / "second.txt").write_text("A.b = 2;\n")
    (tmp_path / "job.txt").write_text('#include "$AREA/first.txt"\nA.b = 3;\n')
    found = read_job_options(tmp_path / "job.txt", {"AREA": str(tmp_path / "share")})
    assert [(one.value, Path(one.file).name, one.line) for one in found] == [
        (1, "first.txt", 1),
        (2, "second.txt", 1),
        (3, "job.txt", 2),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('#include "none.txt"', "cannot read the jobOptions file .*none.txt: No such file"),
        ('\n#include "$NONE/x.txt"', r"job.txt:2: the variable NONE is not set"),
        ("#include x.txt", r"job.txt:1: expected `#include"),
        ('#include "job.txt"', "job.txt:1: more than 16 files include one another"),
        ('#include "100$"', "job.txt:1: a `\\$` that begins no variable"),
    ],
)
def test_an_include_that_cannot_be_followed_is_an_error(tmp_path, text, message):
    (tmp_path / "job.txt").write_text(text)
    with pytest.raises(JobOptionsError, match=message):
        read_job_options(tmp_path / "job.txt", {})


def test_a_huge_file_is_an_error(tmp_path):
    (tmp_path / "job.txt").write_text("// filler\n" * 200_000)
    with pytest.raises(JobOptionsError, match="larger than"):
        read_job_options(tmp_path / "job.txt", {})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ApplicationMgr.Evtmax = 5;", "job.txt:9: ApplicationMgr.Evtmax is not in this version of the toy"),
        ('ApplicationMgr.EvtMax = "5";', "job.txt:9: ApplicationMgr.EvtMax must be a number from -1"),
        ("ApplicationMgr.EvtMax = 5.5;", "job.txt:9: ApplicationMgr.EvtMax must be a number"),
        ("BesRndmGenSvc.RndmSeed = -1;", "must be a number from 0"),
        ("RealizationSvc.RunIdList = {-9947, 0, 9947};", "of one sign and none of them 0"),
        ("RealizationSvc.RunIdList = {-9947, -9948};", "must be {RUN} or {FIRST, 0, LAST}"),
        ("RealizationSvc.RunIdList = {0};", "none of them 0"),
        ("RealizationSvc.RunIdList = -9947;", "must be {RUN}"),
        ("RootCnvSvc.digiRootOutputFile = 5;", 'must be a "text"'),
        ("ApplicationMgr.EvtMax += {5};", "`+=` adds a list to a list"),
        ('ApplicationMgr.TopAlg = "BesSim";', "must be a list of"),
        ('ApplicationMgr.DLLs += {"Boost"};', "there is no library Boost"),
        ('ApplicationMgr.TopAlg += {"ToyRec"};', "no library has ToyRec"),
        ('ApplicationMgr.TopAlg = {"BesSim"};', "TopAlg is BesSim; the toy can do: EvtDecay, BesSim; "),
        ("ApplicationMgr.TopAlg = {};", "TopAlg is empty"),
        ("ApplicationMgr.EvtMax = -1;", "EvtMax of a simulation says how many"),
        ("RealizationSvc.RunIdList = {};", "must be {RUN}"),
        ('EvtDecay.userDecayTableName = "$NONE/x.dec";', "job.txt:9: the variable NONE is not set"),
    ],
)
def test_a_property_that_is_wrong_is_an_error(line, message):
    with pytest.raises(JobError) as caught:
        job(SIMULATION + line)
    assert message in str(caught.value)


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(JobError) as caught:
        job("A.b = 1;\nApplicationMgr.EvtMax = {};\nC.d = 2;")
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["1", "2", "3"]


def test_all_that_lacks_is_told_at_once():
    with pytest.raises(JobError) as caught:
        job("\n".join(SIMULATION.splitlines()[:3]))
    assert str(caught.value).splitlines() == [
        "ApplicationMgr.EvtMax is not set",
        "BesRndmGenSvc.RndmSeed is not set",
        "RealizationSvc.RunIdList is not set",
        "EvtDecay.userDecayTableName is not set",
        "RootCnvSvc.digiRootOutputFile is not set",
    ]
