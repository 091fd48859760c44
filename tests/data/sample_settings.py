"""The sample settings of default_config.yaml, with changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from src.data.sample import SampleSettings
from src.model_utils.config import build_config
from src.train.samples import sample_settings as settings_of_set


def sample_settings(**changes: Any) -> SampleSettings:
    """The defaults with `changes`."""
    return replace(settings_of_set(build_config({})), **changes)
