"""The sample settings of default_config.yaml, with changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from src.data.sample import SampleSettings
from src.model_utils.config import build_config


def sample_settings(**changes: Any) -> SampleSettings:
    """The defaults with `changes`."""
    return replace(build_config({}).part(SampleSettings), **changes)
