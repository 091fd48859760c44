"""From what an annotator typed to a joint and its visibility: `right_wrist-occluded`, `RightHand`, `右手(遮挡)`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from src.checks import read_yaml_mapping
from src.errors import ConfigError
from src.pose.skeleton import COCO_KEYPOINT_NAMES, COCO_ORDER, JointType

ABSENT, OCCLUDED, VISIBLE = 0, 1, 2  # COCO's visibility

_SHIPPED = Path(__file__).with_name("joint_names.yaml")
_VISIBILITY_WORDS = {
    **dict.fromkeys(("visible", "vis", "v2", "可见"), VISIBLE),
    **dict.fromkeys(("occluded", "occ", "hidden", "invisible", "v1", "遮挡", "不可见", "被遮挡"), OCCLUDED),
    **dict.fromkeys(("absent", "missing", "outside", "v0", "缺失"), ABSENT),
}
_SUFFIX = re.compile(
    r"[\s_\-:.]*[(\[（]?\s*(?P<word>" + "|".join(sorted(_VISIBILITY_WORDS, key=len, reverse=True)) + r")\s*[)\]）]?$"
)


class Label(NamedTuple):
    """A label's joint (None: the name is unknown) and COCO visibility."""

    joint: JointType | None
    visibility: int


def read_joint_names(mapping_file: Path | None = None) -> dict[str, JointType]:
    """Joints by folded label name: JointType's and COCO's names, the shipped ones, and those of `mapping_file`.

    Raises ConfigError where the file is no mapping, or names a joint that does not exist.
    """
    names = {_fold(joint.name): joint for joint in JointType}
    names.update({_fold(name): joint for name, joint in zip(COCO_KEYPOINT_NAMES, COCO_ORDER)})
    for path in (_SHIPPED, mapping_file):
        if path is not None:
            names.update(_read_mapping(path, names))
    return names


def read_label(label: str, flags: Mapping[str, Any], description: str, names: Mapping[str, JointType]) -> Label:
    """Joint and visibility of one labelled point.

    Visibility comes from the label's suffix, else from a flag (`occluded: true`, `visible: false`), else from a
    description of one such word; a point without any is visible.
    """
    text = label.strip().casefold()
    match = _SUFFIX.search(text)
    if _fold(text) in names:
        match = None
    joint = names.get(_fold(text[: match.start()] if match else text))
    if match:
        return Label(joint, _VISIBILITY_WORDS[match["word"]])
    return Label(joint, _from_flags(flags, description))


def _from_flags(flags: Mapping[str, Any], description: str) -> int:
    folded = {str(name).strip().casefold(): bool(is_set) for name, is_set in flags.items()}
    meanings = [_VISIBILITY_WORDS[name] for name, is_set in folded.items() if is_set and name in _VISIBILITY_WORDS]
    if meanings:
        return min(meanings)
    if list(folded) == ["visible"]:  # the only box there was to tick, and it is not ticked
        return OCCLUDED
    return _VISIBILITY_WORDS.get(description.strip().casefold(), VISIBLE)


def _read_mapping(path: Path, names: Mapping[str, JointType]) -> dict[str, JointType]:
    mapping = {}
    for label, joint in read_yaml_mapping(path, "mapping file").items():
        if _fold(str(joint)) not in names:
            raise ConfigError(
                f"{path}: {label}: '{joint}' is no joint; use one of {', '.join(j.name for j in JointType)}"
            )
        mapping[_fold(str(label))] = names[_fold(str(joint))]
    return mapping


def _fold(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name.casefold())
