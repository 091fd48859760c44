"""The summary of the training data, and what it warns about."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from src.data.mixed import MixedSamples
from src.data.pose_index import PoseIndex
from src.data.ragged import Ragged
from src.data.sample import SampleMaker
from src.pose.skeleton import JointType as J
from src.train.data_summary import log_summary, summarise
from tests.data.sample_settings import sample_settings
from tests.pose.drawing import standing_person


def empty(columns: tuple[int, ...], dtype: type, pictures: int) -> Ragged:
    return Ragged(np.zeros((0, *columns), dtype), np.zeros(pictures + 1, np.int64))


def samples(folder: Path, pictures: int, unlabelled: tuple[J, ...] = (), **settings: object) -> MixedSamples:
    """Pictures of one standing person each; none of them is read."""
    person = np.array(standing_person(150, 40, 200), np.float32)
    person[list(unlabelled)] = 0
    index = PoseIndex(
        names=np.array([f"{number}.jpg" for number in range(pictures)]),
        picture_ids=np.arange(pictures),
        sizes=np.full((pictures, 2), (400, 300), np.int32),
        persons=Ragged(np.repeat(person[None], pictures, axis=0), np.arange(pictures + 1)),
        ignored=empty((2,), np.float32, pictures),
        crowds=empty((), np.int32, pictures),
        kept=empty((2,), np.float32, pictures),
    )
    return MixedSamples([SampleMaker(index, folder, sample_settings(insize=128, **settings))])


def test_everything_counts_where_all_is_labelled(tmp_path: Path) -> None:
    summary = summarise(samples(tmp_path, 3))
    assert (summary["pictures"], summary["people"], summary["labels"]["Nose"]) == (3, 3, 3)
    assert summary["never_labelled"] == []
    assert summary["counted_share"] == 1


def test_joints_labelled_on_nobody_do_not_count_and_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    face = (J.Nose, J.RightEye, J.LeftEye, J.RightEar, J.LeftEar)
    summary = summarise(samples(tmp_path, 3, face))
    assert set(summary["never_labelled"]) == {joint.name for joint in face}
    assert summary["counted_share"] == pytest.approx(1 - (5 + 1 + 2 * 7) / 57, abs=1e-3)  # joints, background, limbs
    log_summary(summary)
    (line,) = [line for line in caplog.messages if "labelled on nobody" in line]
    assert line.startswith(
        "5 joints are labelled on nobody and left out of the loss, with 7 limbs and the background: "
    )


@pytest.mark.parametrize(("pictures", "ignoring", "warned"), [(60, False, True), (60, True, False), (10, False, False)])
def test_one_person_in_every_picture_is_worth_a_question(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, pictures: int, ignoring: bool, warned: bool
) -> None:
    summary = summarise(samples(tmp_path, pictures, ignore_unannotated=ignoring))
    log_summary(summary)
    assert any("ignore_unannotated=True" in line for line in caplog.messages) == warned
    assert (summary["counted_share"] < 0.9) == ignoring
