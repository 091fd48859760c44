"""The results of a validation, and the table in which the ranks combine theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from src.train.monitoring.record_view import RecordLine, ValidationEntries
from src.train.validation.scores import FOUND_MAX, THRESHOLDS, PictureScore, average_precision

#: Pictures whose found people are kept for the training page.
SHOWN_MAX = 12

_HEAD = 6  # read, loss, nothing, persons, joints, close
_PERSON = 3 + len(THRESHOLDS)  # found, score, ignored, matched at each threshold
#: Columns of the table: one row a picture, zero where another rank has it.
COLUMNS = _HEAD + FOUND_MAX * _PERSON


@dataclass(frozen=True)
class Validation:
    """Means over the pictures that could be read.

    `loss` in evaluation mode and as a `share` of the loss of predicting nothing; `ap` COCO's AP (-1: nobody annotated);
    `pck` the share of labelled joints found within 0.2 of the torso (-1: nobody has one); `recall` the share of people
    found with an object keypoint similarity of at least 0.5. `poses` are the people found
    on this rank's shown pictures by name, (P, 18, 3) in picture pixels.
    """

    loss: float
    share: float
    ap: float
    pck: float
    recall: float
    pictures: int
    persons: int
    seconds: float
    poses: Mapping[str, NDArray[np.float32]] = field(default_factory=dict, compare=False)

    @property
    def rank(self) -> tuple[float, float, float]:
        """Greater is better: by AP, then PCK, then loss."""
        return (round(self.ap, 4), round(self.pck, 4), -self.loss)

    def record(self) -> ValidationEntries:
        """The entries of the loss record."""
        return {
            "val_loss": round(self.loss, 6),
            "val_share": round(self.share, 5),
            "val_ap": round(self.ap, 5),
            "val_pck": round(self.pck, 5),
            "val_recall": round(self.recall, 5),
            "val_pictures": self.pictures,
            "val_persons": self.persons,
            "val_s": round(self.seconds, 2),
        }

    @classmethod
    def from_record(cls, line: RecordLine) -> Validation:
        """The inverse of `record`, without the poses."""
        return cls(
            loss=float(line["val_loss"]),
            share=float(line["val_share"]),
            ap=float(line["val_ap"]),
            pck=float(line["val_pck"]),
            recall=float(line["val_recall"]),
            pictures=int(line["val_pictures"]),
            persons=int(line["val_persons"]),
            seconds=float(line["val_s"]),
        )


def encode(score: PictureScore, loss: float, nothing: float) -> NDArray[np.float32]:
    """A picture's row of the table."""
    row = np.zeros(COLUMNS, np.float32)
    row[:_HEAD] = 1, loss, nothing, score.persons, score.joints, score.close
    people = row[_HEAD:].reshape(FOUND_MAX, _PERSON)
    count = len(score.scores)
    people[:count, 0], people[:count, 1], people[:count, 2] = 1, score.scores, score.ignored
    people[:count, 3:] = score.matched
    return row


def decode(row: NDArray[np.float32]) -> PictureScore:
    """The inverse of `encode`."""
    people = row[_HEAD:].reshape(FOUND_MAX, _PERSON)
    people = people[people[:, 0] > 0]
    persons, joints, close = (int(value) for value in row[3:_HEAD])
    return PictureScore(persons, joints, close, people[:, 1].astype(np.float64), people[:, 2] > 0, people[:, 3:] > 0)


def combine(table: NDArray[np.float32], poses: Mapping[str, NDArray[np.float32]], seconds: float) -> Validation:
    """The result from the table of all ranks."""
    read = table[table[:, 0] > 0]
    pictures = [decode(row) for row in read]
    joints = sum(picture.joints for picture in pictures)
    persons = sum(picture.persons for picture in pictures)
    loss, nothing = (float(read[:, column].mean()) if len(read) else float("nan") for column in (1, 2))
    return Validation(
        loss=loss,
        share=loss / max(nothing, 1e-12),
        ap=average_precision(pictures),
        pck=sum(picture.close for picture in pictures) / joints if joints else -1.0,
        recall=sum(int(picture.matched[:, 0].sum()) for picture in pictures) / max(persons, 1),
        pictures=len(read),
        persons=persons,
        seconds=seconds,
        poses=poses,
    )
