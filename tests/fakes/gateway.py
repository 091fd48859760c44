"""A loopback gateway that speaks the native OBS dialect in front of an S3 store that takes AWS V2 signatures.

It lets in only what is signed rightly (`Authorization: OBS key:signature`), renames `x-obs-` headers to `x-amz-` and
back, signs anew, and passes bodies through as they are. Virtual-host and path style.

    python -m tests.fakes.gateway --port 9000 --upstream 7480
"""

from __future__ import annotations

import argparse
import email.utils
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from tests.fakes.dialect import S3_SUBRESOURCES, Args, Key, Refusal, read_query, refusal, resource, signature

DOMAIN = "obs.localhost"
STORE_KEY = ("storeak", "storesk")
CLIENT_KEYS = {"obsak": Key("obssk")}
_NOT_PASSED = {"connection", "keep-alive", "transfer-encoding", "host", "authorization", "content-length", "date"}
_BLOCK = 1 << 18


class Gateway(ThreadingHTTPServer):
    """The gateway; `keys` and its clock may be changed while it runs."""

    clock_offset_s = 0.0
    disguised: dict[str, str] | None = None  # headers that every answer gets; If-Match is then left to the client

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, upstream: tuple[str, int], port: int = 0, keys: dict[str, Key] | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.upstream, self.keys = upstream, dict(CLIENT_KEYS if keys is None else keys)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def __enter__(self) -> Gateway:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    server: Gateway
    _upstream = threading.local()

    def log_message(self, *_: Any) -> None:
        pass

    def _serve(self) -> None:
        target = self.requestline.split()[1]  # self.path would have lost a leading double slash
        raw, _, query = target.partition("?")
        args = read_query(query)
        headers = {name.lower(): value for name, value in self.headers.items()}
        host = headers.get("host", "").rsplit(":", 1)[0]
        path = f"/{host[: -len(DOMAIN) - 1]}{raw}" if host.endswith(f".{DOMAIN}") else raw
        refused = refusal(self.server.keys, self.command, headers, path, args, time.time() + self.server.clock_offset_s)
        if refused:
            self._refuse(refused)
        else:
            self._pass_on(path, args, headers)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve

    def _refuse(self, why: Refusal) -> None:
        body = f"<Error><Code>{why.code}</Code><Message>{escape(why.message)}</Message></Error>".encode()
        self.close_connection = True  # the request's body may be unread
        self.send_response(why.status)
        for name, value in (("Content-Length", len(body)), ("Connection", "close"), ("x-obs-request-id", "gateway")):
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _pass_on(self, path: str, args: Args, headers: dict[str, str]) -> None:
        out = {
            ("x-amz-" + n[6:] if n.startswith("x-obs-") else n): v for n, v in headers.items() if n not in _NOT_PASSED
        }
        out.pop("x-amz-security-token", None)
        if self.server.disguised:
            out.pop("if-match", None)
        if out.pop("x-amz-forbid-overwrite", "") == "true":
            out["if-none-match"] = "*"
        out["content-length"] = headers.get("content-length", "0")
        out["date"] = email.utils.formatdate(usegmt=True)
        target = resource(path, args, S3_SUBRESOURCES, False)
        out["authorization"] = f"AWS {STORE_KEY[0]}:{signature(STORE_KEY[1], self.command, out, target, 'x-amz-')}"
        query = "&".join(quote(n, safe="") + ("" if v is None else f"={quote(v, safe='')}") for n, v in args)
        connection = self._connection()
        try:
            connection.putrequest(self.command, f"{path}?{query}" if query else path, skip_accept_encoding=True)
            for name, value in out.items():
                connection.putheader(name, value)
            connection.endheaders()
            for block in self._body():
                connection.send(block)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._forget_connection()
            self._refuse(Refusal(500, "InternalError", f"store: {type(error).__name__}"))
            return
        if response.status == 412 and out.get("if-none-match") == "*":
            self._forget_connection()
            self._refuse(Refusal(409, "ObjectAlreadyExists", "The object already exists."))
            return
        self._answer(response)

    def _body(self) -> Iterator[bytes]:
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            block = self.rfile.read1(min(left, _BLOCK))  # type: ignore[attr-defined]
            if not block:
                raise ConnectionError("the client's body ended early")
            left -= len(block)
            yield block

    def _answer(self, response: http.client.HTTPResponse) -> None:
        self.send_response(response.status, response.reason)
        chunked = False
        disguised = self.server.disguised or {}
        for name, value in disguised.items():
            self.send_header(name, value)
        for name, value in response.getheaders():
            low = name.lower()
            if low in disguised:
                continue
            if low == "transfer-encoding":
                chunked = True
            elif low not in ("connection", "keep-alive", "server"):
                self.send_header("x-obs-" + low[6:] if low.startswith("x-amz-") else low, value)
        if chunked:
            body = response.read()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.end_headers()
        if self.command != "HEAD":
            while block := response.read1(_BLOCK):
                self.wfile.write(block)
        response.read()  # without it http.client does not see the end of an empty body
        if response.length:
            self.close_connection = True
            self._forget_connection()
            self.connection.shutdown(socket.SHUT_RDWR)

    def _connection(self) -> http.client.HTTPConnection:
        if getattr(self._upstream, "port", None) != self.server.upstream[1]:
            self._upstream.connection = http.client.HTTPConnection(*self.server.upstream, timeout=120)
            self._upstream.port = self.server.upstream[1]
        return self._upstream.connection

    def _forget_connection(self) -> None:
        self._upstream.connection.close()
        self._upstream.port = None


def main() -> None:
    """Run the gateway until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", type=int, required=True)
    options = parser.parse_args()
    Gateway(("127.0.0.1", options.upstream), options.port).serve_forever()


if __name__ == "__main__":
    main()
