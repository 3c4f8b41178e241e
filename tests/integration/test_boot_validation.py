"""Suites run in a booted image, and what becomes of them: good ones, broken ones, and ones that hang."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import msgspec
import pytest

from builder.boot.docker.machine import DockerMachine
from builder.boot.machine import Machine
from builder.core.digest import Digest
from builder.core.errors import InputFailure
from builder.engine.engine import Engine
from builder.inside.canonical import walk_source, write_tar
from builder.lock import file as lock_file
from builder.lock.model import Blob, Lock, Source
from builder.recipe import model, validation
from builder.recipe.fields import FileRef
from builder.recipe.images import OciImage, SifImage
from builder.store import oci
from builder.store.contents import contents
from builder.store.store import Store
from builder.store.verify import verify
from builder.validation.outcome import Check, CheckOutcome, Evidence, State, Suite
from builder.validation.runner import recipe_suite, run_suite, standard_suite
from builder.validation.validate import VALIDATION_TYPE, Validation, images_to_judge, reference, validate
from tests.integration.apptainer import AGENT_TOOLS, keep_sif, store_with_sif

pytestmark = pytest.mark.integration
ImageMaker = Callable[..., oci.Descriptor]
LIMIT = 60.0
PACKAGE = "miniboss-0:1-1.x86_64"


def make_lock(suite: Blob | None, *, time_limit: int = 60) -> Lock:
    reference_ = FileRef("tiny-1", "validation")
    blob = Blob(digest="sha256:" + "0" * 64, size=1)
    return Lock(
        version=1,
        recipe=model.Recipe(
            release=model.Release(name="tiny", version="1", title="Tiny 1", date=date(2020, 1, 1), license="MIT"),
            os=model.Os(
                family="tinyel",
                version="1",
                architecture="x86_64",
                packages=("miniboss",),
                rpm_repository=(model.RpmRepository(name="os", url="http://vault.example.org/"),),
                stands_in_for="Enterprise Linux",
            ),
            package=model.Package(
                name="boss",
                source=model.DirectorySource(path=reference_),
                install_to="/opt/tiny",
                environment={"BesArea": "/opt/tiny", "PATH": "/opt/tiny/bin"},
            ),
            validation=validation.Validation(suite=reference_, time_limit=time_limit) if suite else None,
        ),
        recipe_files={},
        builder_image=blob,
        repositories=(),
        os_packages=(PACKAGE,),
        frozen_repository={},
        sources={"validation.suite": Source(source=str(reference_), blob=suite, kind="directory")} if suite else {},
    )


def frozen(store: Store, folder: Path, files: dict[str, str]) -> Blob:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    tar = io.BytesIO()
    write_tar(walk_source(folder, 0), tar)
    return Blob(digest=str(store.put(tar.getvalue())), size=len(tar.getvalue()))


# -- one suite ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def machine(engine: Engine, make_image: ImageMaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    store = Store(tmp_path_factory.mktemp("store"))
    with DockerMachine.boot(engine, store, make_image(store, "tiny-1", files={"opt/tiny/data": b"42\n"})) as booted:
        yield booted


class Judge:
    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self.folder = folder
        self.log = folder / "log"
        self.suite_folder = folder / "recipe"

    def __call__(self, time_limit: float = LIMIT, **files: str) -> Suite:
        store = Store(self.folder / "store")
        named = {name.replace("__", "/") + ".py": text for name, text in files.items()}
        blob = frozen(store, self.folder / "source", named)
        suite = recipe_suite(store, Source(source="tiny-1/validation", blob=blob, kind="directory"), self.suite_folder)
        lock = self.folder / lock_file.NAME
        lock_file.write(make_lock(blob), lock)
        work = self.folder / "work"
        work.mkdir()
        return run_suite(suite, self.machine, lock, shape="oci", work=work, log_file=self.log, time_limit=time_limit)


@pytest.fixture
def judge(machine: Machine, tmp_path: Path) -> Iterator[Judge]:
    yield Judge(machine, tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)


def by_name(suite: Suite) -> dict[str, tuple[CheckOutcome, str]]:
    return {check.name.partition("::")[2]: (check.outcome, check.message) for check in suite.checks}


def test_a_suite_sees_the_machine_through_testinfra_and_through_ours(judge: Judge) -> None:
    suite = judge(
        test_all="""
from pathlib import Path

def test_file(host):
    data = host.file("/opt/tiny/data")
    assert data.exists and data.content_string == "42\\n" and data.user == "root" and data.mode == 0o644

def test_quoting(host):
    assert host.check_output("printf %s", "a 'b' $c é") == "a 'b' $c é"
    assert host.run("exit 3").rc == 3
    assert not host.exists("no-such-program") and host.exists("cat")

def test_user(host):
    assert host.user("nobody").uid == 65534

def test_machine(machine, tmp_path):
    machine.put(Path(__file__), "/tmp/copy.py")
    machine.get("/tmp/copy.py", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == Path(__file__).read_bytes()

def test_lock(lock, release, shape):
    assert (release.name, lock.recipe.full_name, shape) == ("tiny", "tiny-1", "oci")
"""
    )
    assert suite.state is State.PASSED, judge.log.read_text()
    assert len(suite.checks) == 5


def test_each_way_to_end_is_told_apart(judge: Judge) -> None:
    suite = judge(
        test_all="""
import pytest

@pytest.fixture
def broken(host):
    raise RuntimeError("no beam")

def test_good(host): assert host.run("true").succeeded
def test_bad(host): assert host.check_output("cat /opt/tiny/data") == "43"
def test_error(broken): pass
def test_skip(): pytest.skip("not today")
def test_allowed(): pytest.skip("not applicable: no tape")
@pytest.mark.xfail(reason="bug 7")
def test_known(): assert False
"""
    )
    found = by_name(suite)
    assert {name: outcome.value for name, (outcome, _) in found.items()} == {
        "test_good": "passed",
        "test_bad": "failed",
        "test_error": "error",
        "test_skip": "skipped",
        "test_allowed": "skipped",
        "test_known": "failed",
    }
    assert "assert '42' == '43'" in found["test_bad"][1]
    assert "test_all.py:9" in found["test_bad"][1]
    assert "no beam" in found["test_error"][1]
    assert found["test_skip"][1] == "not today"
    assert "bug 7" in found["test_known"][1]
    assert suite.state is State.FAILED


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "the suite has no checks"),
        ({"helper": "x = 1"}, "the suite has no checks"),
        ({"test_a": "def test_a(): pass", "test_b": "import no_such_module"}, "could not be read"),
        ({"test_a": "def test_a(): pass", "test_b": "syntax error ("}, "could not be read"),
        ({"test_a": "def test_a(): pass", "conftest": "raise RuntimeError"}, "conftest.py of the suite is broken"),
        ({"test_a": "import os\ndef test_a(): os._exit(0)"}, "pytest ended before the suite did"),
        ({"test_a": "import os\ndef test_a(): os.kill(os.getpid(), 11)"}, "ended by the signal SIGSEGV"),
        ({"test_a": "import pytest\ndef test_a(): pytest.exit('enough', 0)"}, ""),
    ],
)
def test_a_suite_that_did_not_run_is_unknown_and_says_why(judge: Judge, files: dict[str, str], problem: str) -> None:
    suite = judge(**files)
    assert suite.state is State.UNKNOWN
    assert problem in "\n".join(suite.problems)


def test_a_module_that_is_skipped_whole_is_unknown(judge: Judge) -> None:
    suite = judge(test_a="def test_a(): pass", test_b="import pytest\npytest.skip('no time', allow_module_level=True)")
    assert suite.state is State.UNKNOWN
    assert Check(name="test_b.py", outcome=CheckOutcome.SKIPPED, message="no time") in suite.checks


def test_what_a_conftest_deselects_is_not_forgotten(judge: Judge) -> None:
    suite = judge(
        test_a="def test_a(): pass\ndef test_b(): assert False",
        conftest="""
def pytest_collection_modifyitems(config, items):
    config.hook.pytest_deselected(items=items[1:])
    del items[1:]
""",
    )
    assert by_name(suite)["test_b"] == (CheckOutcome.ERROR, "collect: the suite deselected it")
    assert suite.state is State.UNKNOWN


def test_a_suite_over_its_limit_is_killed_with_all_that_it_started(judge: Judge) -> None:
    began = time.monotonic()
    suite = judge(
        time_limit=4,
        test_a="""
import subprocess

def test_first(host): assert host.run("true").rc == 0
def test_hang(host):
    subprocess.Popen(["sleep", "31415"])
    host.run("sleep 27182")
""",
    )
    assert time.monotonic() - began < 60
    assert by_name(suite)["test_first"][0] is CheckOutcome.PASSED
    assert by_name(suite)["test_hang"] == (CheckOutcome.ERROR, "it did not run to its end")
    assert suite.problems == ("the suite did not end within 4 s and was killed",)
    assert suite.state is State.UNKNOWN
    here = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if os.access(p, os.R_OK)]
    assert not any(b"31415" in line for line in here)
    assert judge.machine.run(["sh", "-c", "cat /proc/[0-9]*/cmdline | grep -c 2718[2]"], time_limit=9).stdout == b"0\n"


def test_neither_the_callers_environment_nor_files_above_the_suite_count(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:1")
    (judge.folder / "conftest.py").write_text("raise RuntimeError")
    (judge.folder / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option")
    suite = judge(test_a="import os\ndef test_a(): assert 'DOCKER_HOST' not in os.environ")
    assert suite.state is State.PASSED, judge.log.read_text()


def test_the_suites_own_process_has_no_network_either(judge: Judge) -> None:
    suite = judge(
        test_a="""
import socket

def test_a(host):
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    assert host.run("true").succeeded
"""
    )
    assert suite.state is State.PASSED, judge.log.read_text()


def test_nothing_is_written_into_the_suite(judge: Judge) -> None:
    assert judge(test_a="def test_a(tmp_path): (tmp_path / 'x').write_text('')").state is State.PASSED
    assert [p.name for p in judge.suite_folder.iterdir()] == ["test_a.py"]
    assert not any(p.stat().st_mode & 0o222 for p in (judge.suite_folder, *judge.suite_folder.rglob("*")))


def test_the_standard_suite_has_a_digest_that_depends_on_its_content_alone(tmp_path: Path) -> None:
    assert standard_suite(tmp_path / "a").digest == standard_suite(tmp_path / "b").digest


# -- a whole validation -------------------------------------------------------------------------------------------

SUITE = {
    "test_tiny.py": """
def test_object_addresses_do_not_show(host):
    assert host.run("true") == object(), host

def test_data(host):
    assert host.file("/opt/tiny/data").content_string == "42\\n"
"""
}


def judged(
    make_image: ImageMaker, folder: Path, files: dict[str, str] | None, **changes: object
) -> tuple[Store, oci.Descriptor, Validation]:
    folder.mkdir()
    store = Store(folder / "store")
    lock = make_lock(frozen(store, folder / "suite", files) if files else None)
    image = make_image(
        store,
        "tiny-1",
        files={"opt/tiny/data": b"42\n"},
        env=("BesArea=/opt/tiny",),
        annotations={"boss-builder.lock": str(Digest.of(lock_file.encode(lock)))} | changes,
    )
    images = images_to_judge(store, lock)
    return store, image, validate(store, lock, images, report_folder=folder / "reports" / "tiny-1")


def test_the_same_image_and_suites_give_the_same_evidence_byte_for_byte(make_image: ImageMaker, tmp_path: Path) -> None:
    one_store, image, one = judged(make_image, tmp_path / "one", SUITE)
    other_store, other_image, other = judged(make_image, tmp_path / "other place", SUITE)
    assert image.digest == other_image.digest
    assert one.outcomes[0].descriptor == other.outcomes[0].descriptor
    pages = [tmp_path / place / "reports" / "tiny-1" / "index.html" for place in ("one", "other place")]
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert verify(one_store) == verify(other_store) == ()
    for word in (str(tmp_path), "0x7f"):
        assert word not in pages[0].read_text()


def test_evidence_is_an_artifact_of_the_image(make_image: ImageMaker, tmp_path: Path) -> None:
    store, image, validation = judged(make_image, tmp_path / "one", SUITE)
    (outcome,) = validation.outcomes
    found = store.find(reference("tiny-1", "oci"))
    assert found == outcome.descriptor
    manifest = store.manifest(found)
    assert manifest.artifact_type == VALIDATION_TYPE
    assert manifest.subject == oci.Descriptor(media_type=image.media_type, digest=image.digest, size=image.size)
    names = [layer.annotations[oci.TITLE] for layer in manifest.layers]
    assert names == ["validation.json", "junit.xml", "summary.txt"]
    assert store.document(manifest.layers[0], Evidence) == outcome.evidence
    folder = validation.report.parent / "validation" / "oci"
    assert outcome.folder == folder
    assert [(folder / name).read_bytes() for name in names] == [store.read(layer.digest) for layer in manifest.layers]
    assert "the operating system tinyel 1 stands in for Enterprise Linux" in (folder / "summary.txt").read_text()
    listed = contents(store)
    assert [(v.release, v.state, v.of_present_image) for v in listed.validations] == [("tiny-1", "FAILED", True)]
    assert [i.release for i in listed.images] == ["tiny-1"]


def test_the_standard_suite_finds_what_is_wrong(make_image: ImageMaker, tmp_path: Path) -> None:
    _, _, validation = judged(make_image, tmp_path / "one", SUITE)
    standard, recipe = validation.outcomes[0].evidence.suites
    ends = {check.name.partition("::")[2]: check for check in standard.checks}
    assert {name: check.outcome.value for name, check in ends.items()} == {
        "test_the_packages_are_those_of_the_lock": "failed",
        "test_no_packaged_file_differs_but_what_a_site_configures": "failed",
        "test_shared_libraries_resolve": "failed",
        "test_the_environment_is_as_promised[image]": "failed",
        "test_the_environment_is_as_promised[login-shell]": "failed",
        "test_folders_exist_and_hold_something": "passed",
        "test_the_documents_are_there": "skipped",
        "test_there_is_no_network": "passed",
    }
    assert "invalid option" in ends["test_the_packages_are_those_of_the_lock"].message
    assert "PATH lacks /opt/tiny/bin" in ends["test_the_environment_is_as_promised[image]"].message
    assert "no dynamically linked file was found" in ends["test_shared_libraries_resolve"].message
    assert [check.outcome.value for check in recipe.checks] == ["failed", "passed"]


def test_a_recipe_without_a_suite_is_never_good(make_image: ImageMaker, tmp_path: Path) -> None:
    _, _, validation = judged(make_image, tmp_path / "one", None)
    (outcome,) = validation.outcomes
    assert outcome.evidence.suites[-1].state is State.UNKNOWN
    assert "names no validation suite" in outcome.evidence.suites[-1].problems[0]


def test_an_image_of_another_lock_is_not_judged(make_image: ImageMaker, tmp_path: Path) -> None:
    with pytest.raises(InputFailure, match="was not built from its present lock"):
        judged(make_image, tmp_path / "one", SUITE, **{"boss-builder.lock": "sha256:" + "9" * 64})


# -- several shapes -----------------------------------------------------------------------------------------------


def place_of_two(engine: Engine, make_image: ImageMaker, folder: Path, *, sif: bytes | None) -> tuple[Store, Lock]:
    """A store with a release as OCI and SIF image, both of one lock; `sif` are other bytes than an image's."""
    scratch = Store(folder / "scratch")
    suite = frozen(
        scratch, folder / "suite", {"test_good.py": "def test_good(shape): assert shape in ('oci', 'sif')\n"}
    )
    lock = make_lock(suite)
    contents = {
        "files": {"opt/tiny/data": b"42\n", **AGENT_TOOLS},
        "annotations": {"boss-builder.lock": str(Digest.of(lock_file.encode(lock)))},
    }
    store = store_with_sif(engine, make_image, folder, **contents)
    store.put(scratch.read(suite.digest))
    made = folder / "made" / "tiny-1.sif"
    if sif is not None:
        made.write_bytes(sif)
    keep_sif(store, made, store.references()["tiny-1"])
    return store, lock


def test_each_shape_is_judged_by_the_same_suites_and_has_its_own_evidence(
    engine: Engine, make_image: ImageMaker, tmp_path: Path
) -> None:
    store, lock = place_of_two(engine, make_image, tmp_path, sif=None)
    images = images_to_judge(store, lock)
    assert list(images) == ["oci", "sif"]
    found = validate(store, lock, images, report_folder=tmp_path / "report")
    assert [outcome.evidence.image.shape for outcome in found.outcomes] == ["oci", "sif"]
    assert found.failures == {}
    one, other = ([(s.name, s.digest, len(s.checks)) for s in o.evidence.suites] for o in found.outcomes)
    assert one == other
    assert [outcome.evidence.suites[1].state for outcome in found.outcomes] == [State.PASSED, State.PASSED]
    for outcome in found.outcomes:
        assert store.find(reference("tiny-1", outcome.evidence.image.shape)) == outcome.descriptor
        assert (outcome.folder / "junit.xml").is_file()
    again = validate(store, lock, {"sif": images["sif"]}, report_folder=tmp_path / "again")
    assert again.outcomes[0].descriptor == found.outcomes[1].descriptor
    pages = [tmp_path / folder / "index.html" for folder in ("report", "again")]
    assert pages[0].read_bytes() == pages[1].read_bytes(), "the page shows the other shape's result too"
    assert verify(store) == ()


def test_a_shape_that_can_not_be_booted_does_not_keep_the_others_from_being_judged(
    engine: Engine, make_image: ImageMaker, tmp_path: Path
) -> None:
    store, lock = place_of_two(engine, make_image, tmp_path, sif=b"no image")
    found = validate(store, lock, images_to_judge(store, lock), report_folder=tmp_path / "report")
    assert [outcome.evidence.image.shape for outcome in found.outcomes] == ["oci"]
    assert "image format not recognized" in str(found.failures["sif"])
    assert found.state is State.FAILED, "the standard suite finds no rpm in busybox"
    page = (tmp_path / "report" / "index.html").read_text()
    assert "image format not recognized" in page
    assert store.find(reference("tiny-1", "sif")) is None


def test_a_shape_that_the_recipe_asks_for_must_have_been_built(make_image: ImageMaker, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    lock = make_lock(None)
    lock = msgspec.structs.replace(lock, recipe=msgspec.structs.replace(lock.recipe, image=(OciImage(), SifImage())))
    make_image(store, "tiny-1", annotations={"boss-builder.lock": str(Digest.of(lock_file.encode(lock)))})
    assert list(images_to_judge(store, lock, "oci")) == ["oci"]
    with pytest.raises(InputFailure, match=r"no sif image of tiny-1\n.*it has: oci\n.*build tiny-1 --image sif"):
        images_to_judge(store, lock)
    with pytest.raises(InputFailure, match="no vm image of tiny-1"):
        images_to_judge(store, lock, "vm")
