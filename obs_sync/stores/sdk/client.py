"""The only gate to the OBS SDK, which builds and signs requests; sending and checking are done here.

The SDK's own transport is not used: it retries what it should not, has no deadline, does not verify certificates by
default, and treats damaged responses as empty. Only this module imports the package `obs`.
"""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import warnings
from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Callable, NamedTuple

from obs_sync import retry
from obs_sync.atomic import local_errors
from obs_sync.credentials import Credentials, CurrentCredentials, Provider
from obs_sync.errors import (
    AccessDenied,
    InvalidRequest,
    LocalProblem,
    MissingDependency,
    ObsSyncError,
    RequestFailed,
    Transient,
)
from obs_sync.settings import Settings
from obs_sync.stores.sdk.connections import Connection, Pool
from obs_sync.stores.sdk.errors import RENEW, error_for, read_failure
from obs_sync.stores.sdk.messages import Arguments, Body, FileSlice, Reply, Sink, read_bounded

try:
    from obs import ObsClient, convertor
except ImportError as missing:
    raise MissingDependency(
        "the OBS SDK is not installed, or another module named obs hides it",
        operation="storage mode obs",
        next_step="pip install esdk-obs-python",
    ) from missing

MIN_BYTES_PER_S = 64 << 10
_KEEP_IDLE = 64

Check = Callable[[float], "Reply | None"]


class _Request(NamedTuple):
    """A request without its credentials and deadline."""

    method: str
    bucket: str
    key: str
    args: Arguments | None
    headers: dict[str, str]
    body: Body


class _Signer(ObsClient):
    """The SDK's client reduced to building and signing requests, which it passes to `_send_request`."""

    def __init__(self, settings: Settings, gate: Gate) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # its TLS context, which is not used here
            super().__init__(
                server=settings.endpoint,
                signature=settings.signature,
                region=settings.region,
                path_style=settings.path_style,
                is_signature_negotiation=False,
                timeout=settings.timeout_s,
            )
        # With path style the SDK always signs as V2, and with an IPv4 address it uses path style.
        self.signature = self.thread_local.signature = settings.signature
        self.ha = convertor.Adapter(settings.signature)
        self.convertor = convertor.Convertor(settings.signature, self.ha)
        self._gate = gate

    def _get_token(self) -> SimpleNamespace:
        return self._gate.signing_as()

    def _add_auth_headers(self, headers: dict[str, str], *args: object, **kwargs: object) -> object:
        if self.signature == "v4":
            headers.setdefault("x-amz-date", datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ"))
        return super()._add_auth_headers(headers, *args, **kwargs)

    def _send_request(
        self,
        server: str,
        method: str,
        path: str,
        header: dict[str, str],
        _entity: object,
        port: str | int,
        *_: object,
        **__: object,
    ) -> Connection:
        return self._gate.transmit(server, int(port), method, path, header)

    def prefix(self) -> str:
        """The prefix of the dialect's own headers, such as `x-obs-`."""
        return str(self.ha._get_header_prefix())  # noqa: SLF001 - the SDK offers no other way


class Gate:
    """Requests to one endpoint; thread-safe, one instance per process."""

    def __init__(self, settings: Settings, provider: Provider) -> None:
        if not settings.endpoint:
            raise InvalidRequest(
                "no endpoint is set", operation="storage mode obs", next_step="set OBS_ENDPOINT or endpoint"
            )
        self.settings = settings
        self._credentials = CurrentCredentials(provider)
        self._context = _tls(settings) if not settings.endpoint.startswith("http://") else None
        self._pool = Pool(settings.timeout_s, self._context, _KEEP_IDLE)
        self._signer = _Signer(settings, self)
        self._now = threading.local()
        self.prefix = self._signer.prefix()

    def request(
        self,
        method: str,
        bucket: str = "",
        key: str = "",
        *,
        operation: str,
        args: Arguments | None = None,
        headers: dict[str, str] | None = None,
        body: Body = b"",
        weight: int = 0,
        sink: Sink | None = None,
        done_already: Check | None = None,
        within_s: float | None = None,
    ) -> Reply:
        """Send a request, with retries, until it succeeds or fails permanently; raises the errors of this package.

        `weight` is the number of bytes to move, which extends the deadline. `sink` reads the body of a success and may
        be called again after a failure. `done_already(seconds)` checks after a failure whether the request took
        effect nevertheless. `within_s` replaces the deadline of the settings.
        """
        url = f"obs://{bucket}/{key}" if bucket else self.settings.endpoint
        request = _Request(method, bucket, key, args, headers or {}, body)
        policy = retry.Policy(
            self.settings.max_attempts,
            self.settings.backoff_s,
            self.settings.max_backoff_s,
            self.settings.deadline_s + weight / MIN_BYTES_PER_S if within_s is None else within_s,
        )

        def attempt(deadline: retry.Deadline, number: int) -> Reply:
            if number > 1 and done_already is not None:
                found = done_already(deadline.remaining())
                if found is not None:
                    return found
            return self._once_or_renewed(deadline, request, sink, url, operation)

        return retry.run(attempt, policy)

    def _once_or_renewed(
        self, deadline: retry.Deadline, request: _Request, sink: Sink | None, url: str, operation: str
    ) -> Reply:
        credentials = self._credentials.get()
        try:
            return self._once(deadline, request, sink, url, operation, credentials)
        except AccessDenied as error:
            if not (error.code in RENEW or (error.code == "" and request.method == "HEAD")):
                raise
            if not self._credentials.renew(credentials):
                raise
            return self._once(deadline, request, sink, url, operation, self._credentials.get())

    def _once(
        self,
        deadline: retry.Deadline,
        request: _Request,
        sink: Sink | None,
        url: str,
        operation: str,
        credentials: Credentials,
    ) -> Reply:
        connection: Connection | None = None
        try:
            connection = self._dispatch(deadline, request, credentials)
            response = connection.getresponse()
            reply = _read(response, sink if response.status < 300 else None)
            self._pool.give(connection, response)
            connection = None
        except ObsSyncError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._pool.forget_idle()
            raise _transport_error(error, credentials.hide_in(_reason(error)), url, operation) from None
        finally:
            if connection is not None:
                self._pool.discard(connection)
        if reply.status >= 300:
            request_id = reply.headers.get(f"{self.prefix}request-id", "")
            failure = read_failure(reply.status, reply.body, request_id)
            raise error_for(replace(failure, message=credentials.hide_in(failure.message)), url, operation)
        return reply

    def _dispatch(self, deadline: retry.Deadline, request: _Request, credentials: Credentials) -> Connection:
        body, headers = request.body, dict(request.headers)
        self._now.deadline, self._now.body, self._now.credentials = deadline, body, credentials
        if request.method in ("PUT", "POST"):
            headers["Content-Length"] = str(body.size if isinstance(body, FileSlice) else len(body))
        args = None if request.args is None else dict(request.args)
        connection: Connection = self._signer._make_request_internal(  # noqa: SLF001 - signs without sending
            request.method, request.bucket, request.key, args, headers
        )
        return connection

    def signing_as(self) -> SimpleNamespace:
        """The credentials of this thread's request in the form that the SDK signs with."""
        credentials = self._now.credentials
        return SimpleNamespace(
            access_key_id=credentials.access_key_id,
            secret_access_key=credentials.secret_access_key,
            security_token=credentials.security_token or None,
        )

    def transmit(self, server: str, port: int, method: str, path: str, headers: dict[str, str]) -> Connection:
        """Send one signed request over a pooled connection; its response has to be read next."""
        connection = self._pool.take(server, port)
        connection.deadline = self._now.deadline
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            _send_body(connection, self._now.body)
        except (BrokenPipeError, ConnectionResetError):
            return connection  # the store may have responded before it closed the connection
        except BaseException:
            self._pool.discard(connection)
            raise
        return connection


def _send_body(connection: Connection, body: Body) -> None:
    if isinstance(body, bytes):
        if body:
            connection.send(body)
        return
    with local_errors(body.path, "upload"):
        handle = open(body.path, "rb")  # noqa: SIM115 - closed below; only a failure to open it is a local problem
    with handle:
        if connection.send_file(handle, body.offset, body.size) < body.size:
            problem = "the file became shorter while it was read"
            raise LocalProblem(problem, url=body.path, operation="upload", next_step="run it again")


def _read(response: http.client.HTTPResponse, sink: Sink | None) -> Reply:
    headers = {name.lower(): value for name, value in response.getheaders()}
    body = b""
    if sink is not None:
        sink(response)
    else:
        body = read_bounded(response)
    return Reply(response.status, headers, body)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"timed out ({error})"
    return f"{type(error).__name__}: {error}"


def _transport_error(error: Exception, reason: str, url: str, operation: str) -> ObsSyncError:
    if isinstance(error, ssl.SSLCertVerificationError):
        step = "check the endpoint's name, or set ca_file to the certificate authority to trust"
        return RequestFailed(
            f"the server's certificate is not trusted: {error.verify_message}",
            url=url,
            operation=operation,
            next_step=step,
        )
    step = "check the endpoint and the network, then run it again"
    return Transient(reason, url=url, operation=operation, next_step=step)


def _tls(settings: Settings) -> ssl.SSLContext:
    if settings.ca_file and not os.path.isfile(settings.ca_file):
        raise InvalidRequest("no such file", url=settings.ca_file, operation="ca_file", next_step="name a PEM file")
    return ssl.create_default_context(cafile=settings.ca_file or None)
