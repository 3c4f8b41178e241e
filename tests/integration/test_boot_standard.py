"""The standard suite has teeth: each harm done to an image is found, by the check whose business it is.

The machine is the builder image, since it has a real rpm and real programs; tiny RPMs stand in for a release.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from builder.boot.docker.machine import DockerMachine
from builder.engine.engine import Engine
from builder.lock import file as lock_file
from builder.lock.model import Blob, Lock, Source
from builder.recipe import model
from builder.recipe.fields import FileRef
from builder.store.store import Store
from builder.toolbox.image import reference
from builder.validation.outcome import CheckOutcome, State, Suite
from builder.validation.runner import run_suite, standard_suite
from tests.integration.spine import builder_store
from tests.tinyrpm import TinyRpm, build_rpm

pytestmark = pytest.mark.integration
LIMIT = 60.0
BLOB = Blob(digest="sha256:" + "0" * 64, size=1)
PACKAGES = (
    TinyRpm("tool", epoch=2, files={"/opt/boss/bin/tool": "#!/bin/sh\n", "/etc/tool.conf": "a = 1\n"}),
    TinyRpm("data", requires=["tool"], files={"/opt/boss/share/table": "1 2 3\n"}),
)
LOCK = Lock(
    version=1,
    recipe=model.Recipe(
        release=model.Release(name="tiny", version="1", title="Tiny 1", date=date(2020, 1, 1), license="MIT"),
        os=model.Os(
            family="tiny",
            version="1",
            architecture="x86_64",
            packages=("tool",),
            rpm_repository=(model.RpmRepository(name="os", url="http://vault.example.org/"),),
        ),
        package=model.Package(
            name="boss",
            source=model.DirectorySource(path=FileRef("tiny-1", "boss")),
            install_to="/opt/boss",
            environment={"PATH": "/usr/bin:/bin"},
        ),
    ),
    recipe_files={},
    builder_image=BLOB,
    repositories=(),
    os_packages=("tool-2:1.0-1.noarch",),
    boss_packages=("data-0:1.0-1.noarch",),
    frozen_repository={},
    sources={"document.notes": Source(source="tiny-1/documents/notes.md", blob=BLOB, kind="file")},
)
PREPARE = """
rpm -i --nodeps /tmp/rpms/tool-*.rpm && rpm -i /tmp/rpms/data-*.rpm && rm -r /tmp/rpms &&
mkdir -p /usr/share/doc/tiny-1 && echo notes > /usr/share/doc/tiny-1/notes.md &&
rm -rf /usr/lib/python3/dist-packages/hawkey/test
"""


@pytest.fixture(scope="module")
def rpms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "rpms"
    for package in PACKAGES:
        build_rpm(folder, package)
    return folder


def judge(engine: Engine, rpms: Path, folder: Path, harm: str) -> Suite:
    store = Store(builder_store())
    image = store.find(reference())
    assert image is not None
    (folder / "work").mkdir()
    lock_file.write(LOCK, folder / lock_file.NAME)
    with DockerMachine.boot(engine, store, image) as machine:
        machine.put(rpms, "/tmp/rpms")
        done = machine.run(["/bin/sh", "-ec", PREPARE + harm], time_limit=LIMIT)
        assert done.exit_code == 0, done.stderr.decode()
        return run_suite(
            standard_suite(folder / "suite"),
            machine,
            folder / lock_file.NAME,
            shape="oci",
            work=folder / "work",
            log_file=folder / "log",
            time_limit=LIMIT,
        )


def findings(suite: Suite) -> dict[str, str]:
    return {c.name.partition("::")[2]: c.message for c in suite.checks if c.outcome is not CheckOutcome.PASSED}


def test_an_image_that_is_as_it_should_be_passes(engine: Engine, rpms: Path, tmp_path: Path) -> None:
    suite = judge(engine, rpms, tmp_path, "echo 'a = 2' > /etc/tool.conf")
    assert (suite.state, findings(suite)) == (State.PASSED, {})
    assert len(suite.checks) == 8


FILES = "test_no_packaged_file_differs_but_what_a_site_configures"
LIBRARIES = "test_shared_libraries_resolve"
BREAK_LIBRARY = r"sed 's/libc\.so\.6/libq.so.6/' $(ldconfig -p | sed -n 's/.*libz.so.1 .*=> //p') > /opt/boss/libbad.so"


@pytest.mark.parametrize(
    ("harm", "check", "finding"),
    [
        ("rpm -e data", "test_the_packages_are_those_of_the_lock", "missing: data-0:1.0-1.noarch"),
        ("echo 4 >> /opt/boss/share/table", FILES, "S.5......    /opt/boss/share/table"),
        ("chmod 4755 /opt/boss/bin/tool", FILES, ".M.......    /opt/boss/bin/tool"),
        ("rm /opt/boss/share/table", FILES, "missing     /opt/boss/share/table"),
        ("rpm -e --nodeps tool", FILES, "Unsatisfied dependencies for data-1.0-1.noarch:"),
        (
            BREAK_LIBRARY,
            LIBRARIES,
            "/opt/boss/libbad.so: misses libq.so.6",
        ),
        ("sed 's/libc\\.so\\.6/libq.so.6/' /bin/ls > /opt/boss/ls; chmod +x /opt/boss/ls", LIBRARIES, "/opt/boss/ls"),
        (
            "echo 'PATH=/bin' > /etc/profile.d/zz.sh",
            "test_the_environment_is_as_promised[login-shell]",
            "PATH lacks /usr/bin: /bin",
        ),
        ("rm -r /opt/boss/*", "test_folders_exist_and_hold_something", "/opt/boss is missing or empty"),
        (
            ": > /usr/share/doc/tiny-1/notes.md",
            "test_the_documents_are_there",
            "/usr/share/doc/tiny-1/notes.md is missing or empty",
        ),
    ],
)
def test_a_harm_is_found(engine: Engine, rpms: Path, tmp_path: Path, harm: str, check: str, finding: str) -> None:
    suite = judge(engine, rpms, tmp_path, harm)
    assert suite.state is State.FAILED
    assert finding in findings(suite)[check]
