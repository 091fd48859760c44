"""How pictures are looked at, and what is written on them."""

from __future__ import annotations

from dataclasses import dataclass, field

from src.actions.scene import Scenes
from src.infer.people import PersonLimits


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
