"""How pictures are looked at, and what is written on them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from src.actions.measures.scene import Scenes, load_scenes
from src.infer.people import PersonLimits

if TYPE_CHECKING:
    from src.model_utils.config import Config


@dataclass(frozen=True)
class InferenceOptions:
    """How pictures are looked at and what is said of them, beside the network and the action.

    `people`: who counts. `language`: of labels, "en", "zh", "both", or "auto" (both where there is room, else Chinese).
    `scales`, `flip`: the maps of these multiples of the network's input size, and of the mirror image, are averaged.
    `scenes`: where fence and ground are in which pictures.
    """

    people: PersonLimits = field(default_factory=PersonLimits)
    language: str = "auto"
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    scenes: Scenes = field(default_factory=Scenes)


DEFAULTS = InferenceOptions()


def options_of(settings: Config | argparse.Namespace) -> InferenceOptions:
    """The options that the settings say; reads `scene_file`. ConfigError where that makes no sense."""
    return InferenceOptions(
        people=PersonLimits(settings.min_person_score, settings.min_person_joints),
        language=settings.label_language,
        scales=tuple(settings.infer_scales),
        flip=settings.infer_flip,
        scenes=scenes_of(settings),
    )


def scenes_of(settings: Config | argparse.Namespace) -> Scenes:
    """The scenes of `scene_file`; none where it is empty."""
    return load_scenes(settings.scene_file) if settings.scene_file else Scenes()
