"""Which pictures, annotations and masks belong to which data set."""

from __future__ import annotations

import pytest

from modelarts.job_inputs import TRAINING, job_inputs, training_sets
from src.errors import ConfigError
from src.model_utils.config import build_config

TWO = {"data_url": "obs://b/mine,obs://b/coco", "imgpath_train": "pics, train2017", "jsonpath_train": "a.json,c.json"}


def test_each_set_has_its_folder() -> None:
    first, second = training_sets(build_config(TWO))
    assert first == {
        "data_url": "obs://b/mine",
        "imgpath_train": "obs://b/mine/pics",
        "jsonpath_train": "obs://b/mine/a.json",
    }
    assert second["imgpath_train"] == "obs://b/coco/train2017"
    assert second["jsonpath_train"] == "obs://b/coco/c.json"


def test_the_same_paths_in_several_folders_are_written_once() -> None:
    sets = training_sets(build_config({**TWO, "imgpath_train": ".", "jsonpath_train": "a.json"}))
    assert [one["jsonpath_train"] for one in sets] == ["obs://b/mine/a.json", "obs://b/coco/a.json"]


def test_a_channel_that_takes_one_folder_leaves_the_others_to_whole_addresses() -> None:
    given = {
        "data_url": "/inputs/data_url_0",
        "imgpath_train": "pics,obs://b/coco/train2017",
        "jsonpath_train": "a.json,obs://b/coco/c.json",
        "maskpath_train": ",obs://b/coco/masks",
        "jsonpath_val": "val.json",
        "imgpath_val": "pics",
    }
    found = job_inputs(TRAINING, build_config(given))
    assert found["imgpath_train"] == found["imgpath_val"] == "/inputs/data_url_0/pics"
    assert found["jsonpath_train, set 2"] == "obs://b/coco/c.json"
    assert found["maskpath_train, set 2"] == "obs://b/coco/masks"
    assert "maskpath_train" not in found


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"imgpath_train": "a,b,c"}, "data_url: gives 2 for 3 data sets"),
        ({"data_url": "obs://b/mine", "imgpath_train": "pics"}, "imgpath_train: gives 1 for 2 data sets"),
        ({"data_weights": "1,2,3"}, "data_weights: gives 3 for 2 data sets"),
        ({"ignore_unannotated": "True,False,True"}, "ignore_unannotated: gives 3 for 2 data sets"),
        ({"jsonpath_train": "a.json,"}, "jsonpath_train: names nothing for one of 2 data sets"),
        ({"data_url": "obs://b/mine", "imgpath_train": "pics,pics/"}, "is named for two data sets"),
    ],
)
def test_lists_that_do_not_match_are_refused(changes: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        training_sets(build_config({**TWO, **changes}))
    assert "\n" not in str(caught.value)
