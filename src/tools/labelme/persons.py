"""Puts labelled points together to persons: by group_id, by the rectangle around them, or all to one person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from src.data.annotations.categories import PERSON_NAMES
from src.data.annotations.regions import Box, box_around
from src.pose.skeleton import JointType
from src.tools.labelme.files import Shape
from src.tools.labelme.labels import ABSENT, OCCLUDED, Label, read_label

GROUPINGS = ("auto", "group_id", "rectangle", "single")

#: Points this far outside the picture, in pixels, are moved to its edge: programs round in different ways.
_TOLERANCE = 0.5

Point = tuple[float, float]


class LeftOut(NamedTuple):
    """A shape that was left out, and why."""

    shape: str
    reason: str


class LabelledJoint(NamedTuple):
    """Where a joint was set, and COCO's visibility."""

    x: float
    y: float
    visibility: int


@dataclass
class Person:
    """What was labelled of one person."""

    joints: dict[JointType, LabelledJoint] = field(default_factory=dict)
    box: Box | None = None
    polygons: list[tuple[Point, ...]] = field(default_factory=list)
    area: float | None = None  # as noted on the rectangle, in square pixels
    outlines: list[Shape] = field(default_factory=list)  # what box and polygons come from

    def __bool__(self) -> bool:
        return bool(self.joints or self.outlines)

    @property
    def is_something_else(self) -> bool:
        """Whether only outlines were labelled, and none of them is called a person: a car, say."""
        return not self.joints and all(each.label.strip().casefold() not in PERSON_NAMES for each in self.outlines)


def gather_persons(
    shapes: Iterable[Shape], names: Mapping[str, JointType], size: tuple[int, int], grouping: str = "auto"
) -> tuple[list[Person], list[LeftOut]]:
    """The persons in a picture of `size` (width, height), and the shapes that belong to none.

    `auto` takes a shape's group_id where it has one; the others go to the smallest rectangle around them, or, where
    the file has neither groups nor rectangles, to one single person.
    """
    left_out: list[LeftOut] = []
    points: list[tuple[Shape, Label]] = []
    outlines: list[Shape] = []
    for shape in shapes:
        if shape.kind == "point":
            label = read_label(shape.label, shape.flags, shape.description, names)
            reason = _point_problem(shape, label, size)
            if reason:
                left_out.append(LeftOut(shape.name, reason))
            elif label.visibility != ABSENT:
                points.append((replace(shape, points=(_within(shape.points[0], size),)), label))
        elif shape.kind in ("rectangle", "polygon") and len(shape.points) >= (2 if shape.kind == "rectangle" else 3):
            outlines.append(shape)
        else:
            left_out.append(
                LeftOut(shape.name, f"is a {shape.kind} of {len(shape.points)} points, which says nothing here")
            )
    collected = _Gathering(left_out)
    if grouping == "single":
        collected.add_single(points, outlines)
    else:
        by_group = grouping in ("auto", "group_id")
        collected.add_groups(
            [p for p in points if by_group and p[0].group], [o for o in outlines if by_group and o.group]
        )
        rest = [p for p in points if not (by_group and p[0].group)]
        loose = [o for o in outlines if not (by_group and o.group)]
        if grouping == "auto" and not loose and not collected.persons:
            collected.add_single(rest, [])
        elif grouping == "group_id":
            collected.leave_out([*(shape for shape, _ in rest), *loose], "has no group_id")
        else:
            collected.add_by_rectangle(rest, loose)
    for person in collected.persons:
        if person.is_something_else:
            collected.leave_out(person.outlines, "holds no joint and is not called a person")
    return [person for person in collected.persons if person and not person.is_something_else], left_out


class _Gathering:
    """Persons as they come together."""

    def __init__(self, left_out: list[LeftOut]) -> None:
        self.persons: list[Person] = []
        self.left_out = left_out

    def leave_out(self, shapes: Iterable[Shape], reason: str) -> None:
        self.left_out += [LeftOut(shape.name, reason) for shape in shapes]

    def add_single(self, points: Sequence[tuple[Shape, Label]], outlines: Sequence[Shape]) -> None:
        person = Person()
        self.persons.append(person)
        for shape in outlines:
            self._outline(person, shape)
        for shape, label in points:
            self._set(person, shape, label)

    def add_groups(self, points: Sequence[tuple[Shape, Label]], outlines: Sequence[Shape]) -> None:
        groups: dict[str, Person] = {}
        for shape in outlines:
            self._outline(groups.setdefault(str(shape.group), Person()), shape)
        for shape, label in points:
            self._set(groups.setdefault(str(shape.group), Person()), shape, label)
        self.persons += groups.values()

    def add_by_rectangle(self, points: Sequence[tuple[Shape, Label]], outlines: Sequence[Shape]) -> None:
        """Points with the fewest rectangles around them choose first, each the smallest that lacks its joint."""
        around = [(person.box, person) for person in self.persons if person.box is not None]
        for shape in (outline for outline in outlines if outline.kind == "rectangle"):
            person = self._owner_of(shape)
            if person is None:
                person = Person()
                self.persons.append(person)
            self._outline(person, shape)
            if person.box is not None:
                around.append((person.box, person))
        self.leave_out((o for o in outlines if o.kind == "polygon"), "is a polygon without group_id")
        around.sort(key=lambda pair: pair[0][2] * pair[0][3])
        choices = [(shape, label, [p for box, p in around if _inside(box, shape.points[0])]) for shape, label in points]
        for shape, label, persons in sorted(choices, key=lambda choice: len(choice[2])):
            if not persons:
                self.leave_out([shape], "has no group_id and lies in no rectangle")
                continue
            free = [person for person in persons if label.joint not in person.joints]
            self._set((free or persons)[0], shape, label)

    def _owner_of(self, rectangle: Shape) -> Person | None:
        """The one person gathered by group_id who has no box yet and all of whose joints lie in the rectangle."""
        box = box_around(rectangle.points)
        inside = [
            person
            for person in self.persons
            if person.box is None and person.joints and all(_inside(box, (j.x, j.y)) for j in person.joints.values())
        ]
        return inside[0] if len(inside) == 1 else None

    def _set(self, person: Person, shape: Shape, label: Label) -> None:
        assert label.joint is not None
        if label.joint in person.joints:
            self.leave_out([shape], f"is the second {label.joint.name} of this person")
            return
        person.joints[label.joint] = LabelledJoint(*shape.points[0], label.visibility)

    def _outline(self, person: Person, shape: Shape) -> None:
        if shape.kind == "polygon":
            person.polygons.append(shape.points)
            person.outlines.append(shape)
        elif person.box is not None:
            self.leave_out([shape], "is the second rectangle of this person")
        else:
            box = box_around(shape.points)
            if box[2] <= 0 or box[3] <= 0:
                self.leave_out([shape], "is a rectangle without area")
            else:
                person.box, person.area = box, shape.area
                person.outlines.append(shape)


def derive_shoulders(person: Person) -> None:
    """Where one shoulder is missing but neck and the other shoulder are labelled, mirror that at the neck."""
    neck = person.joints.get(JointType.Neck)
    pair = (JointType.RightShoulder, JointType.LeftShoulder)
    there = [joint for joint in pair if joint in person.joints]
    if neck is None or len(there) != 1:
        return
    other = person.joints[there[0]]
    missing = pair[1 - pair.index(there[0])]
    person.joints[missing] = LabelledJoint(2 * neck.x - other.x, 2 * neck.y - other.y, OCCLUDED)


def _inside(box: Box, point: Point) -> bool:
    x, y, width, height = box
    across = x - _TOLERANCE <= point[0] <= x + width + _TOLERANCE
    return across and y - _TOLERANCE <= point[1] <= y + height + _TOLERANCE


def _within(point: Point, size: tuple[int, int]) -> Point:
    """The nearest point of a picture of `size` (width, height)."""
    return min(max(point[0], 0.0), float(size[0])), min(max(point[1], 0.0), float(size[1]))


def _point_problem(shape: Shape, label: Label, size: tuple[int, int]) -> str:
    if label.joint is None:
        return "is not a known joint; add it to a mapping file"
    if len(shape.points) != 1:
        return f"is a point with {len(shape.points)} positions"
    x, y = shape.points[0]
    if not (-_TOLERANCE <= x <= size[0] + _TOLERANCE and -_TOLERANCE <= y <= size[1] + _TOLERANCE):
        return f"lies outside the picture at {x:g}, {y:g}"
    return ""
