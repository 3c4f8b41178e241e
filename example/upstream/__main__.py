"""`python -m example.upstream make | serve | key`, from the root of the source tree."""

from __future__ import annotations

import argparse
import errno
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from example.upstream.programs import UpstreamError
from example.upstream.server import TreeServer
from example.upstream.tree import make, public_key

DEFAULT_PORT = 18217
"""The port that the example recipes' variable `upstream` names."""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(
        prog="python -m example.upstream",
        description="Make and serve Tiny Enterprise Linux, a small RPM operating system of Debian binaries.",
    )
    commands = top.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="make what is not made yet")
    making.add_argument("--update", action="store_true", help="ask apt anew for the packages")
    serving = commands.add_parser("serve", help="serve it over http on 127.0.0.1; the first line is the address")
    serving.add_argument("--port", type=int, default=DEFAULT_PORT, help="0: a free one (default: %(default)s)")
    key = commands.add_parser("key", help="print the path of the public key of the packages")
    for command in (making, serving, key):
        command.add_argument("--cache", type=Path, required=True, metavar="DIR", help="where everything is kept")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; give the exit code: 0 well, 1 it could not be done."""
    given = parser().parse_args(arguments)
    try:
        if given.command == "make":
            write_line(
                sys.stdout, str(make(given.cache, lambda line: write_line(sys.stderr, line), update=given.update))
            )
        elif given.command == "key":
            write_line(sys.stdout, str(public_key(given.cache)))
        else:
            serve(given.cache, given.port)
    except UpstreamError as error:
        write_line(sys.stderr, str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def serve(cache: Path, port: int) -> None:
    """Serve the made tree until SIGINT or SIGTERM. Raises UpstreamError before `make`, or where the port is taken."""
    public_key(cache)
    try:
        server = TreeServer(cache.absolute() / "current", port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise UpstreamError(f"port {port} is taken", hint="choose another with --port; 0 takes a free one") from error
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with server:
        write_line(sys.stdout, server.url)
        server.serve_forever()


def write_line(stream: object, text: str) -> None:
    """Print a line at once, for whoever reads it through a pipe."""
    print(text, file=stream, flush=True)  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(main())
