"""The report's sentences in English and Chinese, each kept once however often it occurs with other numbers.

Results are written in English, by `src.actions.explain` and `src.data.images`. Here are the forms of their sentences;
one that has none is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

#: Stands for a number that was taken out of a sentence. No text holds it.
SLOT = "\x01"

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")

_JOINTS = {
    **{"nose": "鼻子", "neck": "颈部", "middle of the waist": "腰部中点"},
    **{
        f"{side} {part}": f"{side_zh}{part_zh}"
        for side, side_zh in (("right", "右"), ("left", "左"))
        for part, part_zh in {
            "shoulder": "肩",
            "elbow": "肘",
            "hand": "手",
            "waist": "腰",
            "knee": "膝",
            "foot": "脚",
            "eye": "眼",
            "ear": "耳",
        }.items()
    },
}
_JOINT = "(" + "|".join(_JOINTS) + ")"
_UNITS = (("torso", "躯干长"), ("px", "像素"))
_LENGTH = rf"({SLOT} px(?: \({SLOT} torso\))?)"
_BOUND = rf"({SLOT}(?:°| torso)?)(?: (above|below))?"
_SIDES = {"": "", " on each side": "（左右两侧都要）", " on each side that was found": "（找到的每一侧都要）"}


def _length(text: str) -> str:
    for unit, unit_zh in _UNITS:
        text = text.replace(unit, unit_zh)
    return text.replace(" (", "（").replace(")", "）")


def _height(one: str, length: str, relation: str, other: str) -> str:
    return f"{_JOINTS[one]}比{_JOINTS[other]}{'高' if relation == 'above' else '低'} {_length(length)}"


def _bound(text: str, relation: str | None) -> str:
    return {"above": "高 ", "below": "低 ", None: ""}[relation] + _length(text)


def _one_bound(sign: str, text: str, relation: str | None, sides: str) -> str:
    # "< 0.6 torso below" is said of a joint that may be higher, too.
    condition = f"最多低 {_length(text)}" if relation == "below" else f"{sign} {_length(text)}"
    return condition + _SIDES[sides]


def _range(low: str, low_relation: str | None, high: str, high_relation: str | None, sides: str) -> str:
    return f"介于 {_bound(low, low_relation)} 和 {_bound(high, high_relation)} 之间{_SIDES[sides]}"


def _reasons(text: str) -> str:
    return "无法判定：" + "，".join(translated(reason) for reason in re.split(r", (?!needs )", text))


#: Forms of English sentences, with numbers taken out, and what they become.
_FORMS: tuple[tuple[str, Callable[..., str]], ...] = (
    (rf"{_JOINT} {_LENGTH} (above|below) {_JOINT}", _height),
    (rf"{_JOINT} and {_JOINT} {_LENGTH} apart", lambda a, b, c: f"{_JOINTS[a]}与{_JOINTS[b]}相距 {_length(c)}"),
    (
        rf"{_JOINT} and {_JOINT} {_LENGTH} apart sideways",
        lambda a, b, c: f"{_JOINTS[a]}与{_JOINTS[b]}水平相距 {_length(c)}",
    ),
    (
        rf"angle at {_JOINT} between {_JOINT} and {_JOINT} {SLOT}°",
        lambda at, a, b: f"{_JOINTS[at]}处、{_JOINTS[a]}与{_JOINTS[b]}之间的夹角为 {SLOT}°",
    ),
    (
        rf"line from {_JOINT} to {_JOINT} {SLOT}° off the (vertical|horizontal)",
        lambda a, b, axis: (
            f"{_JOINTS[a]}到{_JOINTS[b]}的连线与{'竖直' if axis == 'vertical' else '水平'}方向成 {SLOT}°"
        ),
    ),
    (
        rf"{SLOT} of {SLOT} signs hold(?:(, {SLOT}) cannot be judged)?; {SLOT} needed",
        lambda unsure: f"{SLOT} / {SLOT} 项成立{f'，{SLOT} 项无法判定' if unsure else ''}；需要 {SLOT} 项",
    ),
    (r"cannot be judged: (.+)", _reasons),
    (rf"{_JOINT} not found", lambda joint: f"未找到{_JOINTS[joint]}"),
    (rf"{_JOINT} too uncertain \({SLOT}, needs {SLOT}\)", lambda a: f"{_JOINTS[a]}置信度不足（{SLOT}，要求 {SLOT}）"),
    (r"no limb shows the body's size", lambda: "没有可确定身体大小的肢体"),
    (r"the joints are too close together to give a direction", lambda: "关节相距太近，无法确定方向"),
    (rf"({SLOT}(?:°| torso| px)?)", _length),
    (rf"({SLOT}(?:°| torso| px)?) … ({SLOT}(?:°| torso| px)?)", lambda a, b: f"{_length(a)} … {_length(b)}"),
    (rf"(>=|>|<) {_BOUND}({'|'.join(_SIDES)})", _one_bound),
    (rf"between {_BOUND} and {_BOUND}({'|'.join(_SIDES)})", _range),
    (rf"empty file \({SLOT} bytes\)", lambda: f"空文件（{SLOT} 字节）"),
    (r"no such file", lambda: "文件不存在"),
    (r"cannot be read \((.*)\)", lambda why: f"无法读取（{why}）"),
    (rf"too large; at most {SLOT} pixels are read", lambda: f"图片太大，最多读取 {SLOT} 像素"),
    (rf"too large \((.*)\); at most {SLOT} pixels are read", lambda size: f"图片太大（{size}），最多读取 {SLOT} 像素"),
    (r"not a picture \(unknown or damaged format\)", lambda: "不是图片（格式未知或已损坏）"),
    (rf"animated \({SLOT} frames\); give single pictures", lambda: f"动画图片（{SLOT} 帧），请提供单张图片"),
    (r"truncated or damaged (\w+) \((.*)\)", lambda kind, why: f"{kind} 文件不完整或已损坏（{why}）"),
    (r"damaged (\w+) header \((.*)\)", lambda kind, why: f"{kind} 文件头已损坏（{why}）"),
    (r"truncated JPEG \(ends inside its header\)", lambda: "JPEG 文件不完整（在文件头中结束）"),
    (
        rf"truncated JPEG \(its end is missing, {SLOT} bytes are there\)",
        lambda: f"JPEG 文件不完整（缺少结尾，共 {SLOT} 字节）",
    ),
    (r"damaged JPEG, cannot be decoded", lambda: "JPEG 文件已损坏，无法解码"),
    (r"damaged JPEG \(no picture size in its header\)", lambda: "JPEG 文件已损坏（文件头中没有图片尺寸）"),
)


def translated(sentence: str) -> str:
    """The sentence, its numbers replaced by SLOT, in Chinese with its numbers in the same order; unknown ones stay."""
    for form, chinese in _FORMS:
        found = re.fullmatch(form, sentence, re.DOTALL)
        if found:
            return chinese(*found.groups())
    return sentence


class Sentences:
    """All sentences of a report: each form is noted once, in both languages."""

    def __init__(self) -> None:
        self._forms: dict[str, int] = {}

    def note(self, text: str) -> list[Any]:
        """[number of the form, its numbers as text …], from which the sentence can be put together again."""
        if SLOT in text:
            text = text.replace(SLOT, " ")
        form = _NUMBER.sub(SLOT, text)
        return [self._forms.setdefault(form, len(self._forms)), *_NUMBER.findall(text)]

    def table(self) -> list[list[str]]:
        """[English, Chinese] of every form, by its number."""
        return [[form, translated(form)] for form in self._forms]
