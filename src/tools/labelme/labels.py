"""From what an annotator typed to a joint and its visibility: `right_wrist-occluded`, `RightHand`, `右手(遮挡)`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from src.data.joint_names import fold
from src.pose.skeleton import JointType

ABSENT, OCCLUDED, VISIBLE = 0, 1, 2  # COCO's visibility

_VISIBILITY_WORDS = {
    **dict.fromkeys(("visible", "vis", "v2", "可见"), VISIBLE),
    **dict.fromkeys(("occluded", "occ", "hidden", "invisible", "v1", "遮挡", "不可见", "被遮挡"), OCCLUDED),
    **dict.fromkeys(("absent", "missing", "outside", "v0", "缺失"), ABSENT),
}
_FLAG_WORDS = {**_VISIBILITY_WORDS, "difficult": OCCLUDED}
_SUFFIX = re.compile(
    r"[\s_\-:.]*[(\[（]?\s*(?P<word>" + "|".join(sorted(_VISIBILITY_WORDS, key=len, reverse=True)) + r")\s*[)\]）]?$"
)


class Label(NamedTuple):
    """A label's joint (None: the name is unknown) and COCO visibility."""

    joint: JointType | None
    visibility: int


def read_label(label: str, flags: Mapping[str, object], description: str, names: Mapping[str, JointType]) -> Label:
    """Joint and visibility of one labelled point.

    Visibility comes from the label's suffix, else from a flag (`occluded: true`, `difficult: true`, `visible: false`),
    else from a description of one such word; a point without any is visible.
    """
    text = label.strip().casefold()
    match = _SUFFIX.search(text)
    if fold(text) in names:
        match = None
    joint = names.get(fold(text[: match.start()] if match else text))
    if match:
        return Label(joint, _VISIBILITY_WORDS[match["word"]])
    return Label(joint, _from_flags(flags, description))


def _from_flags(flags: Mapping[str, object], description: str) -> int:
    folded = {str(name).strip().casefold(): _is_set(value) for name, value in flags.items()}
    meanings = [_FLAG_WORDS[name] for name, is_set in folded.items() if is_set and name in _FLAG_WORDS]
    if meanings:
        return min(meanings)
    if [name for name in folded if name != "difficult"] == [
        "visible"
    ]:  # the only box there was to tick, and it is not ticked
        return OCCLUDED
    return _VISIBILITY_WORDS.get(description.strip().casefold(), VISIBLE)


def _is_set(value: object) -> bool:
    return value.strip().casefold() in ("true", "yes", "1") if isinstance(value, str) else bool(value)
