"""Patience with a server: an answer has one deadline for all of it, headers and handshakes included.

A time limit between two signs of life does not end a server that gives a byte now and then. So every reading and
writing of a connection waits no longer than what is left until the deadline.
"""

from __future__ import annotations

import math
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Patience:
    """How long the present step of an answer may still take; deadlines are in seconds of the monotonic clock."""

    def __init__(self, silence: float) -> None:
        """Wait for `silence` seconds at most between two signs of life, whatever the deadline."""
        self._silence = silence
        self._deadline = math.inf

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Wait no longer than until a deadline."""
        before = self._deadline
        self._deadline = min(before, deadline)
        try:
            yield
        finally:
            self._deadline = before

    def left(self) -> float:
        """Seconds that the next reading or writing may take. Raises TimeoutError where none are left."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("it took too long")
        return min(left, self._silence)

    def guard(self, session: requests.Session) -> None:
        """Let all connections of a session heed the deadline."""
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(self))


class _Adapter(HTTPAdapter):
    """Makes connections whose sockets ask how long they may wait."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the manager of direct connections."""
        super().init_poolmanager(*args, **kwargs, ssl_context=_context(self._patience))
        self.poolmanager.pool_classes_by_scheme = _pools(self._patience)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make the manager of connections by a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs, ssl_context=_context(self._patience))
        manager.pool_classes_by_scheme = _pools(self._patience)
        return manager


def _context(patience: Patience) -> ssl.SSLContext:
    class Guarded(ssl.SSLSocket):
        def recv_into(self, buffer: Buffer, nbytes: int | None = None, flags: int = 0) -> int:
            self.settimeout(patience.left())
            return super().recv_into(buffer, nbytes, flags)

        def send(self, data: Buffer, flags: int = 0) -> int:
            self.settimeout(patience.left())
            return super().send(data, flags)

    context = create_urllib3_context()
    context.sslsocket_class = Guarded
    return context


def _pools(patience: Patience) -> dict[str, type[HTTPConnectionPool]]:
    class Guarded(socket.socket):
        def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
            self.settimeout(patience.left())
            return super().recv_into(buffer, nbytes, flags)

        def sendall(self, data: Buffer, flags: int = 0) -> None:
            self.settimeout(patience.left())
            super().sendall(data, flags)

    def guarded(made: socket.socket) -> socket.socket:
        timeout = made.gettimeout()
        replaced = Guarded(fileno=made.detach())
        replaced.settimeout(timeout)
        return replaced

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return guarded(super()._new_conn())

    class Encrypted(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return guarded(super()._new_conn())

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}
