"""Which annotated people the tests train on: the settings' defaults."""

from __future__ import annotations

from src.data.coco import Selection
from src.model_utils.config import parse_config

SELECTION = parse_config([], "tests").part(Selection)
