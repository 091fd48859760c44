"""What Python callers may leave out has the value that the jobs' settings have by default."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from obs_sync.settings import Settings
from src.infer.forward import load_model
from src.infer.options import InferenceOptions, options_of
from src.model_utils.config import parse_config
from src.pose import DecodeSettings

CONFIG = parse_config([], "tests")


@pytest.mark.parametrize("kind", [DecodeSettings, Settings], ids=lambda kind: kind.__name__)
def test_fields_named_like_settings(kind: type) -> None:
    shared = [field for field in dataclasses.fields(kind) if hasattr(CONFIG, field.name)]
    assert shared
    assert {field.name: field.default for field in shared} == {f.name: getattr(CONFIG, f.name) for f in shared}


def test_options_of_inference() -> None:
    assert options_of(CONFIG) == InferenceOptions()


def test_loading_a_network() -> None:
    parameters = inspect.signature(load_model).parameters
    settings = ("device_target", "input_shapes", "engine")
    assert {name: parameters[name].default for name in settings} == {name: getattr(CONFIG, name) for name in settings}
    assert parameters["insize"].default == CONFIG.infer_insize
    assert parameters["aspects"].default == pytest.approx(CONFIG.bucket_aspects, abs=1e-4)  # rounded in the settings
