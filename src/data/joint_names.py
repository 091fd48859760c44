"""Which joint a name means: JointType's and COCO's names, their usual variants, and Chinese ones."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path

from src.checks import read_yaml_mapping
from src.errors import ConfigError
from src.pose.skeleton import COCO_KEYPOINT_NAMES, COCO_ORDER, JointType

_SHIPPED = Path(__file__).with_name("joint_names.yaml")


def read_joint_names(mapping_file: Path | None = None) -> dict[str, JointType]:
    """Joints by folded name (`fold`): the known names, and those of a YAML file of `label: joint` lines.

    Raises ConfigError where the file is no mapping, or names a joint that does not exist.
    """
    names = dict(_known_names())
    if mapping_file is not None:
        names.update(_read_mapping(mapping_file, names))
    return names


def fold(name: str) -> str:
    """A name normalized for comparison: without case, spaces, hyphens and underscores."""
    return re.sub(r"[\s_\-]+", "", name.casefold())


@functools.lru_cache(maxsize=1)
def _known_names() -> Mapping[str, JointType]:
    names = {fold(joint.name): joint for joint in JointType}
    for name, joint in zip(COCO_KEYPOINT_NAMES, COCO_ORDER):
        names[fold(name)] = joint
        side, _, part = name.partition("_")
        if part:  # l_wrist, wrist_left, wrist_l
            names.update(dict.fromkeys((side[0] + part, part + side, part + side[0]), joint))
    names.update(_read_mapping(_SHIPPED, names))
    return names


def _read_mapping(path: Path, names: Mapping[str, JointType]) -> dict[str, JointType]:
    mapping = {}
    for label, joint in read_yaml_mapping(path, "mapping file").items():
        if fold(str(joint)) not in names:
            raise ConfigError(
                f"{path}: {label}: '{joint}' is not a joint; use one of {', '.join(j.name for j in JointType)}"
            )
        mapping[fold(str(label))] = names[fold(str(joint))]
    return mapping
