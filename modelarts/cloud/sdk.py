"""Gate to the platform's SDK: the only module that imports it; converts its errors into ours."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelarts.cloud.errors import CloudError, CloudUnreachable, JobNotFound, NotInstalled, NotTrusted
from modelarts.cloud.profile import Profile
from src.checks import did_you_mean
from src.errors import ConfigError, JobError

if TYPE_CHECKING:
    from types import ModuleType

    from huaweicloudsdkcore.exceptions.exception_handler import DefaultExceptionHandler
    from huaweicloudsdkcore.exceptions.exceptions import SdkError
    from huaweicloudsdkmodelarts.v1 import ModelArtsClient

_UNDOCUMENTED = {"Output": ("prefetch_to_local",)}  # the console's "predownload"; no model of the SDK has it


def make_client(profile: Profile, timeout_s: tuple[float, float]) -> ModelArtsClient:
    """A client for the profile's endpoint; `timeout_s`: to connect, and to answer."""
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkcore.http.http_config import HttpConfig

    config = HttpConfig.get_default_config()
    config.timeout = timeout_s
    config.ignore_ssl_verification = not profile.verify
    if profile.ca_file:
        config.ssl_ca_cert = profile.ca_file
    keys = BasicCredentials(ak=profile.access_key, sk=profile.secret_key, project_id=profile.project_id)
    if profile.security_token:
        keys = keys.with_security_token(profile.security_token)
    builder = import_sdk().ModelArtsClient.new_builder().with_http_config(config)
    builder = builder.with_exception_handler(_with_solutions())
    client = builder.with_credentials(keys).with_endpoint(profile.endpoint).build()
    _disable_retries(client)
    return client


def as_our_error(error: Exception, profile: Profile, timeout_s: tuple[float, float]) -> JobError:
    """The SDK's exception as one of ours; any other exception is raised unchanged."""
    from huaweicloudsdkcore.exceptions import exceptions as sdk
    from requests.exceptions import RequestException, Timeout  # exceptions that the SDK does not wrap

    where = profile.endpoint
    if isinstance(error, sdk.ServiceResponseException):
        text = f"{error.error_code or 'no code'}: {_hide(profile, str(error.error_msg or 'no message'))}"
        status = int(error.status_code or 0)
        if status == 429 or status >= 500:
            return CloudUnreachable(f"{where} answered {status}, {text}")
        kind = JobNotFound if status == 404 else CloudError
        return kind(f"{where} answered {status}, {text}", status)
    if isinstance(error, sdk.SslHandShakeException):
        return NotTrusted(f"{where}: its certificate is not trusted; set MODELARTS_CA_FILE to its CA certificate")
    if isinstance(error, (sdk.RequestTimeoutException, Timeout)):
        return CloudUnreachable(f"{where} did not answer within {timeout_s[1]:g} s")
    if isinstance(error, (sdk.ConnectionException, RequestException)):
        return CloudUnreachable(f"{where} cannot be reached; check MODELARTS_ENDPOINT and the network")
    raise error


def _hide(profile: Profile, text: str) -> str:
    for secret in (profile.secret_key, profile.security_token):
        if secret:
            text = text.replace(secret, "***")
    return text


def _disable_retries(client: ModelArtsClient) -> None:
    """Disable the SDK's own retries of HTTP 429, which discard the platform's error code and message.

    Also silences the SDK's log, since every failure is reported here.
    """
    from requests.adapters import HTTPAdapter

    session = getattr(client.get_http_client(), "_session", None)  # absent in other versions, which report 429
    if session is not None:
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=0))
    logging.getLogger("HuaweiCloud-SDK-ModelArtsClient").addHandler(logging.NullHandler())


def _with_solutions() -> DefaultExceptionHandler:
    """The SDK's error handler, extended to keep the solution that the platform suggests."""
    from huaweicloudsdkcore.exceptions.exception_handler import DefaultExceptionHandler

    class Handler(DefaultExceptionHandler):
        @classmethod
        def _process_sdk_error(cls, sdk_error: SdkError, answer: Mapping[str, object]) -> None:
            super()._process_sdk_error(sdk_error, answer)
            solution = str(answer.get("error_solution") or "").strip()
            if solution and solution not in str(sdk_error.error_msg):
                sdk_error.error_msg = f"{sdk_error.error_msg} ({solution})"

    return Handler()


def endpoint_of(region: str) -> str:
    """The endpoint of a region by the SDK's own table; ConfigError for one that it does not list."""
    from huaweicloudsdkmodelarts.v1.region.modelarts_region import ModelArtsRegion

    known = ModelArtsRegion.static_fields
    if region not in known:
        hint = did_you_mean(region, known)
        raise ConfigError(
            f"region {region}: the SDK lists no endpoint for it{hint}; set MODELARTS_ENDPOINT to your platform's"
        )
    return str(known[region].endpoints[0])


def import_sdk() -> ModuleType:
    try:
        import huaweicloudsdkmodelarts.v1 as sdk
    except ImportError:
        raise NotInstalled("the platform's SDK is not installed; run: pip install -r requirements-cloud.txt") from None
    return sdk


def known_parts(sdk: ModuleType, type_name: str, value: object) -> object:
    """The non-empty parts of a response that the request's model has as well."""
    if value is None:
        return None
    listed = re.fullmatch(r"list\[(.+)\]", type_name)
    if listed:
        return [known_parts(sdk, listed[1], item) for item in value] if isinstance(value, list) else []
    if type_name.startswith("dict("):
        if isinstance(value, list):  # the platform answers variables as a list of one-entry objects
            value = {key: item for entry in value for key, item in entry.items()}
        return {str(key): str(item) for key, item in value.items()} if isinstance(value, Mapping) else {}
    model = getattr(sdk, type_name, None)
    if model is None or not isinstance(value, Mapping):
        return value
    found = {}
    for attribute, kind in model.openapi_types.items():
        key = model.attribute_map[attribute]
        if value.get(key) not in (None, [], {}, ""):
            found[key] = known_parts(sdk, kind, value[key])
    found.update({key: value[key] for key in _UNDOCUMENTED.get(type_name, ()) if key in value})
    return found
