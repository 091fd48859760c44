"""HTTP connections that enforce a deadline on every send and receive, including headers and slow trickles.

Also a pool of idle connections by host, which never returns one that the server has closed.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import select
import socket
import ssl
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, BinaryIO, cast

from obs_sync.retry import Deadline

if TYPE_CHECKING:
    from typing_extensions import Buffer

_SEND_BYTES = 1 << 18
_SENDFILE_BYTES = 1 << 20
_BUFFER_BYTES = 1 << 16


class Connection(http.client.HTTPConnection):
    """One connection; set its deadline before each request."""

    def __init__(self, host: str, port: int, timeout_s: float, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self.timeout_s, self._context = timeout_s, context
        self.deadline = Deadline(timeout_s)
        self.response_class = functools.partial(_Response, connection=self)  # type: ignore[assignment]

    def arm(self) -> None:
        """Limit the next wait on the socket to the time left."""
        limit = self.deadline.wait_limit(self.timeout_s)
        if self.sock is not None:
            self.sock.settimeout(limit)

    def connect(self) -> None:
        """Connect; with a context, through TLS and with the host name checked."""
        raw = socket.create_connection((self.host, self.port), self.deadline.wait_limit(self.timeout_s))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = raw
        if self._context is not None:
            self.arm()
            self.sock = self._context.wrap_socket(raw, server_hostname=self.host)

    def send(self, data: object) -> None:
        """Send bytes, one slice at a time so that a stall is noticed."""
        if self.sock is None:
            self.connect()
        view = memoryview(cast("Buffer", data))  # http.client gives bytes
        for start in range(0, len(view), _SEND_BYTES):
            self.arm()
            self.sock.sendall(view[start : start + _SEND_BYTES])

    def send_file(self, handle: BinaryIO, offset: int, size: int) -> int:
        """Send bytes of a file, by the kernel where possible; returns how many were sent."""
        sent = 0
        while sent < size:
            self.arm()
            count = self.sock.sendfile(handle, offset + sent, min(_SENDFILE_BYTES, size - sent))
            if not count:
                break
            sent += count
        return sent

    def is_stale(self) -> bool:
        """Whether the server has closed it or sent unsolicited data."""
        if self.sock is None:
            return True
        try:
            return bool(select.select([self.sock], [], [], 0)[0])
        except (OSError, ValueError):
            return True


class _TimedReader(io.RawIOBase):
    """Data from a socket; each wait is limited by the connection's deadline."""

    def __init__(self, raw: io.RawIOBase, connection: Connection) -> None:
        self._raw, self._connection = raw, connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int | None:
        self._connection.arm()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """A response whose reads respect the connection's deadline."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, *, connection: Connection
    ) -> None:
        super().__init__(sock, debuglevel, method)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_TimedReader(raw, connection), _BUFFER_BYTES)


class Pool:
    """Idle connections by (host, port), the most recent first."""

    def __init__(self, timeout_s: float, context: ssl.SSLContext | None, keep: int) -> None:
        self._timeout_s, self._context, self._keep = timeout_s, context, keep
        self._idle: dict[tuple[str, int], list[Connection]] = defaultdict(list)
        self._lock = threading.Lock()

    def take(self, host: str, port: int) -> Connection:
        """An idle connection that is still open, or a new one."""
        while True:
            with self._lock:
                waiting = self._idle[host, port]
                connection = waiting.pop() if waiting else None
            if connection is None:
                return Connection(host, port, self._timeout_s, self._context)
            if not connection.is_stale():
                return connection
            connection.close()

    def give(self, connection: Connection, response: http.client.HTTPResponse) -> None:
        """Return a connection to the pool after its response was read; it is closed if it cannot be reused."""
        reusable = response.isclosed() and not response.will_close and connection.sock is not None
        with self._lock:
            waiting = self._idle[connection.host, connection.port]
            if reusable and len(waiting) < self._keep:
                waiting.append(connection)
                return
        self.discard(connection)

    def forget_idle(self) -> None:
        """Close all idle connections: when one is dead, a middlebox has often dropped them all."""
        with self._lock:
            idle = [connection for waiting in self._idle.values() for connection in waiting]
            self._idle.clear()
        for connection in idle:
            self.discard(connection)

    @staticmethod
    def discard(connection: Connection) -> None:
        """Close a connection in an unknown state."""
        with contextlib.suppress(OSError):
            connection.close()
