"""A MariaDB server of our own, on loopback, for as long as a test needs it."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql


@dataclass(frozen=True)
class MariaDb:
    """A server of our own: on loopback, in a folder of its own."""

    port: int
    socket: Path

    def connect(self) -> pymysql.Connection[Any]:
        """Connect as root."""
        return pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True)

    def run(self, *statements: str) -> tuple[tuple[Any, ...], ...]:
        """Run statements as root; gives the rows of the last."""
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return tuple(cursor.fetchall())

    def dump(self, *words: str) -> bytes:
        command = ["mariadb-dump", "--no-defaults", f"--socket={self.socket}", "--user=root", *words]
        return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(folder: Path) -> Iterator[MariaDb]:
    """Make a data folder and run a server on it until the end of the block."""
    program = shutil.which("mariadbd", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert program, "apt-get install mariadb-server (scripts/setup does)"
    data, listening = folder / "data", Path("/tmp") / f"boss-builder-{free_port()}.sock"  # its name must be short
    # the host's asynchronous input and output is a resource that others may have used up
    common = ["--no-defaults", f"--datadir={data}", f"--user={getpass.getuser()}", "--innodb-use-native-aio=0"]
    made = subprocess.run(
        ["mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    database = MariaDb(free_port(), listening)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, *common, f"--socket={listening}", f"--port={database.port}", "--bind-address=127.0.0.1",
             f"--pid-file={folder / 'pid'}", "--innodb-buffer-pool-size=16M", "--general-log", "--log-output=TABLE"],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            wait_for(database, process, folder / "log")
            yield database
        finally:
            process.terminate()
            process.wait(30)


def wait_for(database: MariaDb, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    ping = ["mariadb-admin", "--no-defaults", f"--socket={database.socket}", "--user=root", "ping"]
    while subprocess.run(ping, check=False, capture_output=True, timeout=60).returncode != 0:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)
