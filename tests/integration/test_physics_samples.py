"""Samples are made in a booted image: results come out as written, and what a job does wrong is told, not raised."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from builder.boot.docker.machine import DockerMachine
from builder.boot.machine import Machine
from builder.core.digest import Digest
from builder.core.errors import WorkFailure
from builder.core.progress import NoProgress
from builder.engine.engine import Engine
from builder.lock import file as lock_file
from builder.lock.model import Blob, Lock, Source
from builder.recipe.fields import FileRef
from builder.recipe.validation import Observable
from builder.store import oci
from builder.store.shapes import LOCK_ANNOTATION
from builder.store.store import Store
from builder.validation.outcome import State as SuiteState
from builder.validation.physics import judge
from builder.validation.results import store_results
from builder.validation.samples import GUEST_FOLDER, RESULT_LIMIT, SampleRun, events_of, run_sample, run_samples
from builder.validation.validate import images_to_judge, validate
from tests.unit.validation.measured import (
    EVENTS,
    GOOD,
    OBSERVABLES,
    encoded,
    frozen_folder,
    histograms,
    lock,
    measure,
    observable,
    run,
    sample,
    validation,
)

pytestmark = pytest.mark.integration
ImageMaker = Callable[..., oci.Descriptor]

BOSS = b"""#!/bin/sh
# An analysis that has its histograms ready: job options name what it does, a line each, as `do.what = "argument";`.
echo "reading $1"
cat "$1" >> read.txt
if grep -q do.crash "$1"; then
    for line in 1 2 3 4 5 6 7; do echo "event $line"; done
    echo "FATAL: no magnetic field" >&2
    exit 9
fi
if grep -q do.hang "$1"; then sleep 600; fi
if grep -q do.die "$1"; then kill -9 $$; fi
if grep -q do.nothing "$1"; then exit 0; fi
if grep -q do.empty "$1"; then : > mumu.json; exit 0; fi
if grep -q do.much "$1"; then head -c 70000000 /dev/zero > mumu.json; exit 0; fi
if grep -q do.folder "$1"; then mkdir mumu.json; exit 0; fi
if grep -q do.link "$1"; then ln -s /etc/passwd mumu.json; exit 0; fi
if grep -q do.near "$1"; then ln -s read.txt mumu.json; exit 0; fi
if grep -q do.options "$1"; then cp read.txt mumu.json; exit 0; fi
cp /opt/result.json mumu.json
"""
TOOLS = {f"bin/{tool}": f'#!/bin/sh\nexec /bin/busybox {tool} "$@"\n'.encode() for tool in ("wc", "cp", "ln")}
FILES = {"bin/boss.exe": BOSS, "opt/result.json": GOOD, **TOOLS}


@pytest.fixture(scope="module")
def image(make_image: ImageMaker, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, oci.Descriptor]:
    store = Store(tmp_path_factory.mktemp("store"))
    return store, make_image(store, "tiny-2", files=FILES)


@pytest.fixture(scope="module")
def machine(engine: Engine, image: tuple[Store, oci.Descriptor]) -> Iterator[Machine]:
    with DockerMachine.boot(engine, *image) as booted:
        yield booted


class Runner:
    """Runs the sample mumu with job options of its own in a machine, and looks at what stays behind."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self.folder = folder
        self.log = folder / "samples.log"

    def __call__(self, *jobs: bytes, time_limit: int = 60, **files: bytes) -> SampleRun:
        names = [f"{number}.txt" for number, _ in enumerate(jobs)]
        asked = msgspec.structs.replace(
            sample(),
            job_options=tuple(FileRef("tiny-2", f"jobs/{name}") for name in names),
            time_limit=time_limit,
        )
        work = self.folder / "work"
        made = run_sample(
            asked,
            {**dict(zip(names, jobs, strict=True)), **files},
            self.machine,
            events=EVENTS,
            work=work,
            log_file=self.log,
        )
        assert not work.exists()
        assert (made.sample, made.events) == (asked, EVENTS)
        assert bool(made.result) != bool(made.problem)
        return made

    def left(self) -> bytes:
        return self.machine.run(["ls", GUEST_FOLDER], time_limit=30).stdout


@pytest.fixture
def boss(machine: Machine, tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(machine, tmp_path)
    yield runner
    assert runner.left() == b""


def test_a_result_comes_out_byte_for_byte(boss: Runner) -> None:
    made = boss(b"// all of it\n")
    assert (made.result, made.problem) == (GOOD, "")
    assert b"== mumu: 0.txt: exit code 0\nreading 0.txt\n" in boss.log.read_bytes()


def test_events_and_seed_are_appended_to_the_first_job_alone(boss: Runner) -> None:
    first = b'#include "options.txt"\nApplicationMgr.EvtMax = 10;\n// \xe9 is Latin-1\n\n\n'
    made = boss(first, b"do.options = 1;\n")
    text, _, second = made.result.partition(b"do.options")
    assert text == first.rstrip(b"\n") + (
        b"\n// from the recipe: how many events, and the seed of the random numbers\n"
        b"ApplicationMgr.EvtMax = %d;\nBesRndmGenSvc.RndmSeed = 7;\n" % EVENTS
    )
    assert second == b" = 1;\n"


def test_the_same_sample_can_be_made_again(boss: Runner) -> None:
    assert boss(b"do.options = 1;\n").result == boss(b"do.options = 1;\n").result


def test_files_lie_beside_the_job_options_and_jobs_come_in_their_order(boss: Runner) -> None:
    made = boss(b"one\n", b"two\ndo.options = 1;\n", card=b"Decay J/psi\n")
    assert made.result.index(b"one") < made.result.index(b"two")
    assert boss.log.read_bytes().count(b"== mumu: ") == 2


def test_a_job_that_fails_is_told_with_its_exit_code_and_last_lines(boss: Runner) -> None:
    made = boss(b"first\n", b"do.crash = 1;\n", b"never\n")
    assert made.problem.splitlines() == [
        "the job 1.txt ended with exit code 9",
        "event 4",
        "event 5",
        "event 6",
        "event 7",
        "FATAL: no magnetic field",
    ]
    log = boss.log.read_bytes()
    assert b"event 1\n" in log
    assert b"2.txt" not in log


def test_a_job_that_is_killed_by_a_signal_is_told(boss: Runner) -> None:
    assert boss(b"do.die = 1;\n").problem.startswith("the job 0.txt ended with exit code 137")


def test_a_job_that_hangs_is_ended_by_its_limit(boss: Runner) -> None:
    made = boss(b"do.hang = 1;\n", time_limit=2)
    assert made.problem.startswith("the job 0.txt did not end: /bin/sh did not end within 2 s and was killed")
    assert b"== mumu: 0.txt: did not end\n" in boss.log.read_bytes()
    running = boss.machine.run(["sh", "-c", "cat /proc/[0-9]*/cmdline"], time_limit=30).stdout
    assert b"boss.exe" not in running
    assert b"sleep\x00600" not in running


@pytest.mark.parametrize(
    ("does", "problem"),
    [
        (b"do.nothing", "the jobs ended well and wrote no mumu.json"),
        (b"do.empty", "the jobs ended well and left mumu.json empty"),
        (b"do.much", f"mumu.json has 70000000 bytes; histograms have at most {RESULT_LIMIT}"),
        (b"do.folder", "the jobs ended well and wrote no mumu.json"),
        (b"do.link", "/etc/passwd leads out of the folder"),
        (b"do.near", "mumu.json is not a plain file"),
    ],
)
def test_a_job_that_writes_no_histograms_is_told(boss: Runner, does: bytes, problem: str) -> None:
    assert problem in boss(does + b" = 1;\n").problem


def test_a_program_that_is_not_there_is_told(boss: Runner, tmp_path: Path) -> None:
    asked = msgspec.structs.replace(sample(), command=("no-such-boss.exe",))
    made = run_sample(
        asked, {"mumu.txt": b""}, boss.machine, events=1, work=tmp_path / "missing", log_file=tmp_path / "log"
    )
    assert made.problem.startswith("the job mumu.txt ended with exit code 127")
    assert "no-such-boss.exe" in made.problem


def test_a_machine_that_dies_under_a_job_is_told(
    engine: Engine, image: tuple[Store, oci.Descriptor], tmp_path: Path
) -> None:
    with DockerMachine.boot(engine, *image) as machine:
        boss = Runner(machine, tmp_path)
        killer = threading.Timer(1.0, machine._container.kill)
        killer.start()
        assert boss(b"do.hang = 1;\n").problem.startswith("the job 0.txt did not end: the machine stopped")
        assert "the machine stopped" in boss(b"").problem
        with pytest.raises(WorkFailure, match="the machine stopped"):
            boss.left()


# -- all samples of a recipe --------------------------------------------------------------------------------------


def stored(store: Store, data: bytes) -> Blob:
    return Blob(digest=store.put(data), size=len(data))


def frozen_lock(store: Store, jobs: dict[str, bytes], *observables: Observable) -> Lock:
    """Give a lock whose samples have job options in the store."""
    asked = validation(*observables, samples=tuple(jobs))
    found = lock(asked)
    sources = {
        f"validation.sample.{name}.{name}.txt": Source(
            source=f"tiny-2/jobs/{name}.txt", blob=stored(store, text), kind="file"
        )
        for name, text in jobs.items()
    }
    return msgspec.structs.replace(found, sources=found.sources | sources)


def test_one_sample_that_fails_keeps_no_other_from_being_made_and_is_no_pass(
    machine: Machine, image: tuple[Store, oci.Descriptor], tmp_path: Path
) -> None:
    store, built = image
    of = frozen_lock(store, {"ee": b"do.crash = 1;\n", "mumu": b"// all of it\n"})
    asked = of.recipe.validation
    assert asked is not None
    runs = run_samples(
        store, of, asked, machine, short=False, work=tmp_path, log_file=tmp_path / "log", progress=NoProgress()
    )
    assert [(run.sample.name, run.result, bool(run.problem)) for run in runs] == [
        ("ee", b"", True),
        ("mumu", GOOD, False),
    ]
    measure(store, lock(None, "1"))
    results, descriptor = store_results(store, of, "oci", built, {"full": runs})
    subject = store.manifest(descriptor).subject
    assert subject is not None
    assert subject.digest == built.digest
    physics = judge(store, asked, of, results)
    assert physics.judgement.state.is_pass  # every observable is of mumu
    assert physics.suite.state is SuiteState.UNKNOWN
    assert "FATAL: no magnetic field" in physics.suite.checks[0].message


def test_an_emulated_processor_gets_fewer_events() -> None:
    long = sample()
    assert (events_of(long, short=False), events_of(long, short=True)) == (EVENTS, EVENTS // 10)
    told = msgspec.structs.replace(long, emulated_events=7)
    assert (events_of(told, short=False), events_of(told, short=True)) == (EVENTS, 7)
    assert events_of(msgspec.structs.replace(long, events=3), short=True) == 1


# -- a whole validation -------------------------------------------------------------------------------------------

SUITE = {"test_tiny.py": b"def test_the_analysis_is_there(host): assert host.exists('boss.exe')\n"}


def frozen_release(make_image: ImageMaker, folder: Path) -> tuple[Store, Lock]:
    """A store with an image, its suite, two samples of which one fails, and one of its two references."""
    folder.mkdir()
    store = Store(folder / "store")
    lost = observable("mass", reference="data")
    of = frozen_lock(store, {"ee": b"do.crash = 1;\n", "mumu": b"// all of it\n"}, *OBSERVABLES, lost)
    suite = Source(source="tiny-2/validation", blob=frozen_folder(store, folder / "suite", SUITE), kind="directory")
    of = msgspec.structs.replace(of, sources=of.sources | {"validation.suite": suite})
    measure(store, lock(None, "1"), run(encoded(histograms(2))))
    make_image(store, "tiny-2", files=FILES, annotations={LOCK_ANNOTATION: str(Digest.of(lock_file.encode(of)))})
    return store, of


def validated(store: Store, of: Lock, report: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """Validate, and give the files that are written, but for logs (which tell times), and the store's artifacts."""
    validate(store, of, images_to_judge(store, of), report_folder=report)
    files = [path for path in report.rglob("*") if path.is_file() and path.suffix != ".log"]
    artifacts = {name: str(descriptor.digest) for name, descriptor in store.references().items()}
    return {str(path.relative_to(report)): path.read_bytes() for path in files}, artifacts


def test_two_whole_validations_of_an_image_give_the_same_bytes(make_image: ImageMaker, tmp_path: Path) -> None:
    place, other_place = (frozen_release(make_image, tmp_path / name) for name in ("one", "other place"))
    files, artifacts = validated(*place, tmp_path / "report")
    assert sorted(files) == [
        "index.html",
        "physics/index.html",
        "physics/junit.xml",
        "physics/report.json",
        "validation/oci/junit.xml",
        "validation/oci/summary.txt",
        "validation/oci/validation.json",
    ]
    assert b"<svg" in files["physics/index.html"]
    assert b"FATAL: no magnetic field" in files["physics/report.json"]
    assert b"is missing from the store" in files["validation/oci/validation.json"]
    assert artifacts.keys() == {"tiny-2", "validation/tiny-2/oci", "results/tiny-2/oci", "results/tiny-1/oci"}
    for again, where in ((place, "again"), (other_place, "elsewhere")):
        others, other_artifacts = validated(*again, tmp_path / where)
        assert others.keys() == files.keys()
        assert [name for name in files if others[name] != files[name]] == []
        assert other_artifacts == artifacts
