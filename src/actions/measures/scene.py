"""Where the fence and the ground are: lines declared for the pictures of a fixed camera."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from src.actions.measures.geometry import Point
from src.checks import check_keys, number_in
from src.errors import ConfigError
from src.strict_yaml import read_section

SECTION = "scenes"
KEYS = ("pictures", "fence", "ground")

Line = tuple[Point, ...]  # a polyline; closed where its last point is its first


@dataclass(frozen=True)
class Scene:
    """The lines of one picture, in its pixels; None where none was declared."""

    fence: Line | None = None
    ground: Line | None = None


@dataclass(frozen=True)
class SceneRule:
    """Lines as shares of width and height, for the pictures whose name matches a pattern (`*`, `?`, `[…]`)."""

    pictures: str
    fence: Line | None
    ground: Line | None


@dataclass(frozen=True)
class Scenes:
    """All declared scenes; for a picture the first whose pattern matches counts."""

    rules: tuple[SceneRule, ...] = ()

    def of(self, file: str, width_px: int, height_px: int) -> Scene | None:
        """The lines in a picture, None where no scene is declared for it."""
        for rule in self.rules:
            if fnmatchcase(file, rule.pictures):
                scaled = (_scaled(line, width_px, height_px) for line in (rule.fence, rule.ground))
                return Scene(*scaled)
        return None


def load_scenes(path: str | Path) -> Scenes:
    """The scenes of a YAML file with a `scenes` list; ConfigError, naming the scene, for what makes no sense."""
    raw = read_section(Path(path), SECTION)
    if not isinstance(raw, list) or not raw:
        raise ConfigError(f"{path}: {SECTION} must list scenes, each with pictures, fence and ground")
    return Scenes(tuple(_rule(one, f"{path}, scene {number}") for number, one in enumerate(raw, start=1)))


def height_over(line: Line, place: Point) -> float | None:
    """How far a place is above the line at its own x, in pixels; None where the line does not reach that x."""
    x, y = place
    crossings = [_height_at(start, end, x) for start, end in zip(line, line[1:])]
    found = [at for at in crossings if at is not None]
    return min(found) - y if found else None


def distance_to(line: Line, place: Point) -> float:
    """The distance to the nearest point of the line, in pixels."""
    return min(math.dist(place, _nearest(start, end, place)) for start, end in zip(line, line[1:]))


def side_of(line: Line, place: Point) -> float:
    """The distance to the line in pixels, positive on one of its sides and negative on the other."""
    segments = list(zip(line, line[1:]))
    start, end = min(segments, key=lambda pair: math.dist(place, _nearest(pair[0], pair[1], place)))
    turned = (end[0] - start[0]) * (place[1] - start[1]) - (end[1] - start[1]) * (place[0] - start[0])
    return math.copysign(distance_to(line, place), turned)


def _rule(body: object, where: str) -> SceneRule:
    raw = check_keys(body, KEYS, where)
    pictures = raw.get("pictures")
    if not isinstance(pictures, str) or not pictures:
        raise ConfigError(f'{where}: pictures must be a pattern of names, such as "gate/*.jpg"')
    fence, ground = (_line(raw.get(key), f"{where}, {key}") for key in ("fence", "ground"))
    if fence is None and ground is None:
        raise ConfigError(f"{where}: declares neither fence nor ground")
    return SceneRule(pictures, fence, ground)


def _line(raw: object, where: str) -> Line | None:
    if raw is None:
        return None
    if not isinstance(raw, list) or len(raw) < 2 or not all(isinstance(one, list) and len(one) == 2 for one in raw):
        raise ConfigError(f"{where}: must be two or more points [x, y], not {raw!r}")
    share = "a share of the picture's width or height"
    points = tuple((number_in(x, where, (0, 1), share), number_in(y, where, (0, 1), share)) for x, y in raw)
    if all(start == end for start, end in zip(points, points[1:])):
        raise ConfigError(f"{where}: all points are the same")
    return points


def _scaled(line: Line | None, width_px: int, height_px: int) -> Line | None:
    return None if line is None else tuple((x * width_px, y * height_px) for x, y in line)


def _height_at(start: Point, end: Point, x: float) -> float | None:
    left, right = sorted((start, end))
    if not left[0] <= x <= right[0]:
        return None
    if left[0] == right[0]:
        return min(left[1], right[1])
    return left[1] + (right[1] - left[1]) * (x - left[0]) / (right[0] - left[0])


def _nearest(start: Point, end: Point, place: Point) -> Point:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = dx * dx + dy * dy
    along = 0.0 if length == 0 else ((place[0] - start[0]) * dx + (place[1] - start[1]) * dy) / length
    along = min(max(along, 0.0), 1.0)
    return (start[0] + along * dx, start[1] + along * dy)
