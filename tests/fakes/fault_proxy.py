"""An HTTP proxy on loopback that breaks what it is told to break: between a client and a store, deterministically.

    with FaultProxy(store_port) as proxy:
        proxy.add("truncate", match="^GET .*big", at=1000)   # the first matching request only; times=None: every one
        ... use proxy.port, look at proxy.log

Kinds, by what the client sees:
status        an error with status `arg` (503 SlowDown), not from the store
replace       status 200 with the body `arg`, not from the store
swallow       status 200 with the right ETag of what was sent, but nothing reaches the store
reset_before  the connection is reset when the request has arrived; the store sees nothing
reset_after   the store has done it, then the connection is reset
reset_send    the connection is reset after `at` bytes of the request's body
reset_body    the connection is reset after `at` bytes of the answer's body
truncate      the answer ends after `at` bytes of its body
shorten       the same, and Content-Length says so too
corrupt       byte `at` of the answer's body is flipped
corrupt_send  byte `at` of the request's body is flipped
stall         nothing more comes after `at` bytes of the answer's body
blackhole     no answer ever comes
slow          the answer's body drips at `arg` bytes a second
slow_send     the bodies of all such requests together pass at `arg` bytes a second
garbage       the answer is not HTTP
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

_BLOCK = 1 << 16
_FOR_EVER = 3600.0
_DRIP = 512
_ERROR = "<Error><Code>{}</Code><Message>injected</Message><RequestId>proxy</RequestId></Error>"
_CODES = {403: "AccessDenied", 404: "NoSuchKey", 408: "RequestTimeout", 429: "TooManyRequests", 500: "InternalError"}
Headers = list[tuple[str, str]]


@dataclass
class Rule:
    """One fault: applied to `times` requests (None: all) that match, after `skip` of them."""

    kind: str
    match: str = ""
    times: int | None = 1
    skip: int = 0
    at: int = 0
    arg: Any = None
    hits: int = 0
    free_at: float = 0.0

    def takes(self, line: str) -> bool:
        """Whether this request is to fail; counts."""
        if not re.search(self.match, line) or (self.times is not None and self.hits >= self.times):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        return True

    async def pass_on(self, count: int) -> None:
        """Wait until so many bytes may pass."""
        now = time.monotonic()
        self.free_at = max(self.free_at, now) + count / self.arg
        await asyncio.sleep(self.free_at - now)


class _Break(Exception):
    """End this client's connection; with `reset` by RST."""

    def __init__(self, reset: bool = True) -> None:
        self.reset = reset


class FaultProxy:
    """The proxy: a thread of this process, listening while the `with` block lasts."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port, self.port = upstream_port, 0
        self.rules: list[Rule] = []
        self.log: list[str] = []
        self._upstreams: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def add(self, kind: str, match: str = "", **options: Any) -> Rule:
        """Inject a fault into requests whose `METHOD /path?query` matches."""
        rule = Rule(kind, match, **options)
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """Let everything pass and forget what was seen."""
        self.rules.clear()
        self.log.clear()

    def drop_upstreams(self) -> None:
        """Close all connections to the store and none to the clients, as a gateway between may do with idle ones."""
        for upstream in list(self._upstreams):
            self._loop.call_soon_threadsafe(upstream.close)

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._client, "127.0.0.1", 0), self._loop
        ).result()
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @staticmethod
    async def _stop() -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        try:
            while True:
                line, headers = await _head(reader)
                request = line.rsplit(" ", 1)[0]
                rule = next((rule for rule in self.rules if rule.takes(request)), None)
                self.log.append(request)
                if rule is not None and await self._answered_alone(rule, line, headers, reader, writer):
                    continue
                if upstream is None:
                    upstream = await asyncio.open_connection("127.0.0.1", self.upstream_port)
                    self._upstreams.add(upstream[1])
                await _forward(rule, line, headers, reader, upstream[1])
                await _answer(rule, line, upstream[0], writer)
        except _Break as end:
            if end.reset:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            if upstream is not None:
                self._upstreams.discard(upstream[1])
                upstream[1].close()
            writer.close()

    @staticmethod
    async def _answered_alone(
        rule: Rule, line: str, headers: Headers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if rule.kind == "reset_before":
            raise _Break
        if rule.kind == "blackhole":
            await asyncio.sleep(_FOR_EVER)
        if rule.kind not in ("status", "replace", "swallow"):
            return False
        digest = hashlib.md5()
        async for block in _body(reader, headers):
            digest.update(block)
        status, body = 200, rule.arg or b""
        if rule.kind == "status":
            status = rule.arg or 503
            body = _ERROR.format(_CODES.get(status, "SlowDown")).encode()
        extra = f'ETag: "{digest.hexdigest()}"\r\n' if rule.kind == "swallow" else ""
        head = f"HTTP/1.1 {status} Injected\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + (b"" if line.startswith("HEAD") else body))
        await writer.drain()
        return True


async def _head(reader: asyncio.StreamReader) -> tuple[str, Headers]:
    raw = await reader.readuntil(b"\r\n\r\n")
    first, *rest = raw[:-4].decode("latin-1").split("\r\n")
    return first, [(name.strip(), value.strip()) for name, _, value in (each.partition(":") for each in rest)]


def _value(headers: Headers, name: str) -> str:
    return next((value for key, value in headers if key.lower() == name), "")


async def _body(reader: asyncio.StreamReader, headers: Headers) -> AsyncIterator[bytes]:
    if "chunked" in _value(headers, "transfer-encoding"):
        while True:
            size = await reader.readline()
            length = int(size.split(b";")[0], 16)
            yield size + await reader.readexactly(length + 2)
            if not length:
                return
    left = int(_value(headers, "content-length") or 0)
    while left:
        block = await reader.read(min(left, _BLOCK))
        if not block:
            return
        left -= len(block)
        yield block


def _flip(block: bytes, start: int, at: int) -> bytes:
    if not start <= at < start + len(block):
        return block
    changed = bytearray(block)
    changed[at - start] ^= 0xFF
    return bytes(changed)


async def _forward(
    rule: Rule | None, line: str, headers: Headers, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter
) -> None:
    upstream.write((f"{line}\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers) + "\r\n").encode("latin-1"))
    position = 0
    async for block in _body(reader, headers):
        if rule and rule.kind == "corrupt_send":
            block = _flip(block, position, rule.at)
        if rule and rule.kind == "reset_send" and position + len(block) > rule.at:
            upstream.close()
            raise _Break
        if rule and rule.kind == "slow_send":
            await rule.pass_on(len(block))
        position += len(block)
        upstream.write(block)
        await upstream.drain()


async def _answer(rule: Rule | None, line: str, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    status, headers = await _head(upstream)
    kind = rule.kind if rule else ""
    if kind == "reset_after":
        raise _Break
    if kind == "garbage":
        writer.write(b"\x00\x01 this is no HTTP\r\n\r\n")
        await writer.drain()
        raise _Break(reset=False)
    if rule and kind == "shorten":
        headers = [(n, str(rule.at) if n.lower() == "content-length" else v) for n, v in headers]
    writer.write((f"{status}\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers) + "\r\n").encode("latin-1"))
    if not line.startswith("HEAD") and status.split()[1] not in ("204", "304"):
        await _answer_body(rule, upstream, headers, writer)
    await writer.drain()
    if "close" in _value(headers, "connection").lower():
        raise _Break(reset=False)


async def _answer_body(
    rule: Rule | None, upstream: asyncio.StreamReader, headers: Headers, writer: asyncio.StreamWriter
) -> None:
    position, kind = 0, rule.kind if rule else ""
    async for block in _body(upstream, headers):
        if rule and kind in ("truncate", "reset_body", "stall", "shorten") and position + len(block) >= rule.at:
            writer.write(block[: rule.at - position])
            await writer.drain()
            if kind == "stall":
                await asyncio.sleep(_FOR_EVER)
            await asyncio.sleep(0.02)  # let the bytes before the end arrive
            raise _Break(reset=kind == "reset_body")
        if rule and kind == "corrupt":
            block = _flip(block, position, rule.at)
        if rule and kind == "slow":
            for start in range(0, len(block), _DRIP):
                writer.write(block[start : start + _DRIP])
                await writer.drain()
                await asyncio.sleep(_DRIP / rule.arg)
        else:
            writer.write(block)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
        position += len(block)
