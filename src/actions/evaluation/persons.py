"""Scores an action person by person: hits, the kinds of misses, and alarms on bystanders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Optional

import numpy as np
from numpy.typing import ArrayLike

from src.actions.action import Action
from src.actions.evaluation.labels import LabelledPerson, LabelledPicture, LabelWords
from src.actions.evaluation.matching import box_of, match_persons
from src.actions.evaluation.scoring import Confusion, Share, wilson
from src.actions.judge import judge_person, judge_persons
from src.actions.measures.pose import as_pose
from src.actions.measures.scene import Scene
from src.pose.skeleton import JointType

#: The joints that actions are judged by: those of the body, without the eyes and ears.
BODY = tuple(joint for joint in JointType if joint <= JointType.LeftFoot)
ENOUGH_JOINTS = 8
#: Where true joints are known: a found joint is wrong beyond this share of the person's extent, and a person whose
#: joints are wrong more often than not was not read.
WRONG_BEYOND = 0.15

SceneOf = Mapping[str, Optional[Scene]]  # by picture
NO_SCENES: SceneOf = {}


class Outcome(Enum):
    """What became of a labelled person."""

    HIT = "judged yes"
    NOT_FOUND = "not found"
    BAD_JOINTS = "found, joints wrong or missing"
    JUDGED_NO = "judged no"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class PersonResult:
    """A labelled person with its outcome. `positive`: whether the action occurs, None for one that is left out."""

    file: str
    number: int  # of the label in its picture, from 1
    person: LabelledPerson
    positive: bool | None
    outcome: Outcome
    occurred: bool | None
    detected: int | None = None  # the matched person's place in the results


@dataclass(frozen=True)
class PersonScores:
    """All labelled persons, and how many alarms were raised on persons that no label knows."""

    results: tuple[PersonResult, ...]
    unlabelled_alarms: int = 0
    unlabelled: int = 0
    unread: tuple[str, ...] = field(default=())

    def counts(self, positive: bool) -> Counter[Outcome]:
        """How many persons of one kind had each outcome."""
        return Counter(one.outcome for one in self.results if one.positive is positive)

    @property
    def recall(self) -> Share:
        """Of all persons in whom the action occurs, found or not, the share with an alarm."""
        counts = self.counts(True)
        return wilson(counts[Outcome.HIT], sum(counts.values()))

    @property
    def false_alarm_rate(self) -> Share:
        """Of the labelled bystanders, found or not, the share with an alarm."""
        counts = self.counts(False)
        return wilson(counts[Outcome.HIT], sum(counts.values()))

    @property
    def confusion(self) -> Confusion:
        """The counts by label and verdict."""
        yes, no = self.counts(True), self.counts(False)
        return Confusion(
            true_yes=yes[Outcome.HIT],
            false_yes=no[Outcome.HIT],
            missed=sum(yes.values()) - yes[Outcome.HIT],
            true_no=sum(no.values()) - no[Outcome.HIT],
            undecided_positive=yes[Outcome.UNDECIDED],
            undecided_negative=no[Outcome.UNDECIDED],
        )


def score_annotated(
    pictures: Iterable[LabelledPicture], action: Action, words: LabelWords, scenes: SceneOf = NO_SCENES
) -> PersonScores:
    """Judge every labelled person by its annotated joints, with no network in the way; `scenes`: by picture."""
    results = []
    for picture in pictures:
        scene = scenes.get(picture.file)
        for number, person in enumerate(picture.persons, start=1):
            if person.keypoints is not None:
                occurred = judge_person(person.keypoints, action, scene).occurred
                results.append(_result(picture, number, words, occurred, number - 1))
    return PersonScores(tuple(results))


def score_detected(
    pictures: Sequence[LabelledPicture],
    detected: Mapping[str, Sequence[ArrayLike]],
    action: Action,
    words: LabelWords,
    scenes: SceneOf = NO_SCENES,
) -> PersonScores:
    """Judge the persons that were found (keypoints by picture) and match them to the labelled ones by their boxes."""
    results: list[PersonResult] = []
    alarms, unlabelled, unread = 0, 0, []
    for picture in pictures:
        if picture.file not in detected:
            unread.append(picture.file)
            continue
        persons = detected[picture.file]
        verdicts = [one.occurred for one in judge_persons(persons, action, scenes.get(picture.file))]
        matched = match_persons([box_of(person) for person in picture.persons], persons)
        for number, place in enumerate(matched, start=1):
            results.append(_detected_result(picture, number, words, persons, verdicts, place))
        strangers = set(range(len(persons))) - set(matched)
        unlabelled += len(strangers)
        alarms += sum(verdicts[place] is True for place in strangers)
    return PersonScores(tuple(results), alarms, unlabelled, tuple(unread))


def report_persons(scores: PersonScores) -> str:
    """The outcomes and shares, as lines to print."""
    yes, no = scores.counts(True), scores.counts(False)
    lines = [f"{'':32s}{'action occurs':>14s}{'bystanders':>12s}"]
    lines += [f"{outcome.value:32s}{yes[outcome]:14d}{no[outcome]:12d}" for outcome in Outcome]
    lines.append(f"{'all':32s}{sum(yes.values()):14d}{sum(no.values()):12d}")
    lines.append(f"recall, of all persons                {scores.recall}")
    lines.append(f"false alarms among bystanders         {scores.false_alarm_rate}")
    left_out = sum(one.positive is None for one in scores.results)
    if left_out:
        lines.append(f"left out by their label: {left_out}")
    if scores.unlabelled:
        lines.append(f"found persons without a label: {scores.unlabelled}, alarms on them: {scores.unlabelled_alarms}")
    if scores.unread:
        lines.append(f"pictures that could not be read: {len(scores.unread)}, the first is {scores.unread[0]}")
    return "\n".join(lines)


def _result(
    picture: LabelledPicture, number: int, words: LabelWords, occurred: bool | None, place: int | None
) -> PersonResult:
    person = picture.persons[number - 1]
    outcome = {True: Outcome.HIT, False: Outcome.JUDGED_NO, None: Outcome.UNDECIDED}[occurred]
    return PersonResult(picture.file, number, person, words.truth(person.label), outcome, occurred, place)


def _detected_result(
    picture: LabelledPicture,
    number: int,
    words: LabelWords,
    persons: Sequence[ArrayLike],
    verdicts: Sequence[bool | None],
    place: int | None,
) -> PersonResult:
    person = picture.persons[number - 1]
    truth = words.truth(person.label)
    if place is None:
        return PersonResult(picture.file, number, person, truth, Outcome.NOT_FOUND, None)
    result = _result(picture, number, words, verdicts[place], place)
    if result.outcome is not Outcome.HIT and _has_bad_joints(persons[place], person):
        return PersonResult(picture.file, number, person, truth, Outcome.BAD_JOINTS, result.occurred, place)
    return result


def _has_bad_joints(keypoints: ArrayLike, person: LabelledPerson) -> bool:
    """Whether too few body joints were found, or, where the true ones are known, too many of them are wrong."""
    found = np.array(as_pose(keypoints).joints)[list(BODY)]
    seen = found[:, 2] > 0
    if seen.sum() < ENOUGH_JOINTS:
        return True
    if person.keypoints is None:
        return False
    true = np.array(as_pose(person.keypoints).joints)[list(BODY)]
    known = true[:, 2] > 0
    if not known.any():
        return False
    extent = float(np.ptp(true[known, :2], axis=0).max())
    distance = np.linalg.norm(found[:, :2] - true[:, :2], axis=1)
    right = seen & known & (distance <= WRONG_BEYOND * extent)
    return bool(right.sum() < 0.5 * known.sum())
