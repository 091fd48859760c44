"""Endpoint, project and keys from variables and profile files, and a clear word when something is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelarts.cloud.profile import has_profile, read_profile
from src.errors import ConfigError

VARIABLES = {
    "HUAWEICLOUD_SDK_AK": "ak",
    "HUAWEICLOUD_SDK_SK": "sk",
    "HUAWEICLOUD_SDK_PROJECT_ID": "project",
    "MODELARTS_REGION": "cn-north-4",
}
FILE = """
[basic]
ak = file-ak
sk = file%sk
project_id = file-project
endpoint = https://modelarts.private.example/
verify = false

[temporary]
ak = t-ak
sk = t-sk
security_token = t-token
project_id = t-project
region = cn-central-231
ca_file = /etc/ca.pem
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / ".huaweicloud").mkdir()
    (tmp_path / ".huaweicloud" / "credentials").write_text(FILE)
    return {"HOME": str(tmp_path)}


def test_from_variables(tmp_path: Path) -> None:
    profile = read_profile({**VARIABLES, "HOME": str(tmp_path), "HUAWEICLOUD_SDK_SECURITY_TOKEN": "token"})
    assert (profile.access_key, profile.secret_key, profile.security_token) == ("ak", "sk", "token")
    assert (profile.endpoint, profile.region) == ("", "cn-north-4")
    assert profile.verify


def test_the_stores_own_keys_serve_too(tmp_path: Path) -> None:
    environment = {
        "OBS_ACCESS_KEY_ID": "a",
        "OBS_SECRET_ACCESS_KEY": "s",
        "OBS_SECURITY_TOKEN": "t",
        "HOME": str(tmp_path),
    }
    profile = read_profile({**environment, "HUAWEICLOUD_SDK_PROJECT_ID": "p", "MODELARTS_ENDPOINT": "https://x"})
    assert (profile.access_key, profile.security_token, profile.endpoint) == ("a", "t", "https://x")


def test_from_the_file(home: dict[str, str]) -> None:
    profile = read_profile(home)
    assert (profile.access_key, profile.secret_key, profile.project_id) == ("file-ak", "file%sk", "file-project")
    assert profile.endpoint == "https://modelarts.private.example"
    assert not profile.verify


def test_a_section_that_was_asked_for_goes_first(home: dict[str, str]) -> None:
    profile = read_profile({**home, **VARIABLES}, "temporary")
    assert (profile.access_key, profile.security_token, profile.project_id) == ("t-ak", "t-token", "t-project")
    assert (profile.endpoint, profile.region) == ("", "cn-central-231")
    assert profile.ca_file == "/etc/ca.pem"


def test_keys_and_token_never_come_from_different_places(home: dict[str, str]) -> None:
    profile = read_profile({**home, "HUAWEICLOUD_SDK_AK": "ak", "HUAWEICLOUD_SDK_SK": "sk"})
    assert (profile.access_key, profile.secret_key, profile.security_token) == ("ak", "sk", "")
    half = read_profile({**home, "HUAWEICLOUD_SDK_AK": "ak"})
    assert (half.access_key, half.secret_key) == ("file-ak", "file%sk")


def test_the_file_may_lie_elsewhere(tmp_path: Path, home: dict[str, str]) -> None:
    other = tmp_path / "other"
    other.write_text(FILE.replace("file-ak", "other-ak"))
    assert read_profile({**home, "HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(other)}).access_key == "other-ak"


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("HUAWEICLOUD_SDK_AK", "no access keys: set HUAWEICLOUD_SDK_AK"),
        ("HUAWEICLOUD_SDK_PROJECT_ID", "no project: set HUAWEICLOUD_SDK_PROJECT_ID"),
        ("MODELARTS_REGION", "no region: set MODELARTS_REGION or MODELARTS_ENDPOINT"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, missing: str, message: str) -> None:
    environment = {**VARIABLES, "HOME": str(tmp_path), missing: ""}
    with pytest.raises(ConfigError, match=message):
        read_profile(environment)
    assert not has_profile(environment)


@pytest.mark.parametrize(
    ("changes", "section", "message"),
    [
        ({"MODELARTS_ENDPOINT": "modelarts.example"}, "", "must begin with https://"),
        ({"MODELARTS_VERIFY": "/etc/ca.pem"}, "", "neither true nor false"),
        ({}, "nobody", "no profile 'nobody'; available: basic, temporary"),
        ({"HUAWEICLOUD_SDK_CREDENTIALS_FILE": "/nowhere"}, "basic", "no such profile file"),
    ],
)
def test_nonsense_is_named(home: dict[str, str], changes: dict[str, str], section: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_profile({**home, **VARIABLES, **changes}, section)


@pytest.mark.parametrize("content", [b"ak = x", b"\xff\xfe", b"[basic]\nak = a\nak = b"])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "credentials"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not a profile file") as caught:
        read_profile({**VARIABLES, "HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(path)})
    assert "\n" not in str(caught.value)
