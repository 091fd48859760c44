"""Every mistake that the platform would punish is told before, on one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import obs_sync
from modelarts.job_inputs import INFERENCE, TRAINING, job_inputs, setting_problems
from modelarts.jobs.checks import (
    check_definition,
    check_in_use,
    check_storage,
    check_submission,
    code_notes,
    read_paths,
    typed_config,
)
from modelarts.jobs.code_folder import COUNT_LIMIT, DEPTH_LIMIT, SIZE_LIMIT, code_files, limits_exceeded, upload_code
from modelarts.jobs.definition import Changes
from modelarts.jobs.loading import job_keys, load_job
from src.model_utils.config import build_config
from tests.modelarts.conftest import MakeJob


@pytest.fixture
def store(tmp_path: Path) -> obs_sync.ObsFileSystem:
    (tmp_path / "obs" / "bucket").mkdir(parents=True)
    return obs_sync.ObsFileSystem(storage_mode="local", obs_local_root=str(tmp_path / "obs"))


def test_declared_jobs_have_no_mistakes() -> None:
    for key in job_keys():
        assert check_definition(load_job(key)) == []


PYTORCH = "pytorch_2.1.0-cann_8.0.rc1-py_3.9-euler_2.10.7-aarch64-snt9b"


def engine(version: str) -> dict[str, Any]:
    return {"engine": {"name": "Ascend-Powered-Engine", "version": version}}


@pytest.mark.parametrize(
    "changes",
    [
        {"flavour": "modelarts.bm.npu.arm.8snt9b.d"},
        {"flavour": "modelarts.pool.visual.8xlarge"},
        {**engine("mindspore_2.7.1-cann_8.3.rc1-py_3.11-hce_2.0.2509-aarch64-snt3p"), "flavour": "a.snt3p.b"},
        {**engine("own-build"), "flavour": "modelarts.kat1.xlarge"},
        {**engine("mindspore_1.7.0-cann_5.1.0-py_3.7-euler_2.8.3-aarch64"), "kind": "probe"},
        {**engine(PYTORCH), "kind": "inference", "hyperparameters": {"engine": "onnxruntime"}},
        {"image": "swr/own:1", "flavour": "modelarts.kat1.xlarge"},
        {"environment": {"MA_RUN_METHOD": "msrun"}},
    ],
)
def test_what_belongs_together_is_accepted(make_job: MakeJob, changes: dict[str, Any]) -> None:
    assert check_definition(load_job(str(make_job(**changes)))) == []


def test_a_flavour_is_needed_to_submit_only(make_job: MakeJob) -> None:
    job = load_job(str(make_job()))
    assert check_definition(job) == []
    (problem,) = check_submission(job)
    assert problem.startswith("flavour: not set for 1 card of snt9b; list them with: python -m modelarts offers")
    assert check_submission(load_job(str(make_job()), Changes({}, flavour="x"))) == []
    pool = load_job(str(make_job(cards=4)), Changes({}, pool="p"))
    assert (pool.flavour, check_submission(pool)) == ("modelarts.pool.visual.4xlarge", [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "small job"}, "name: 'small job' must be 1 to 64 letters"),
        ({"name": "x" * 65}, "name: "),
        ({"description": "长" * 257}, "description: 257 characters"),
        ({"boot_file": "other.py"}, "boot_file: other.py is missing in the code dir"),
        ({"boot_file": "boot.sh"}, "boot_file: boot.sh is not a .py file"),
        ({"code": {"folder": "checkout", "files": ["gone"]}}, "no such file or folder"),
        ({"environment": {"MA_HOME": "/x"}}, "MA_HOME is reserved by the platform"),
        ({"environment": {"2nd": "x"}}, "'2nd' is not a valid variable name"),
        ({"environment": {"A": "x" * 4097}}, "A has 4097 characters"),
        ({"environment": {"A": "$HOME/x"}}, "A contains a $"),
        ({"environment": {f"V{n}": "x" for n in range(101)}}, "101 variables"),
        ({"log_path": "/bucket/log/"}, "log_path: /bucket/log/ is not an address like obs://"),
        ({"log_path": "obs://B/log/"}, "log_path: "),
        ({"log_path": "${job_dir}/code/log/"}, "log_path: "),
        ({"outputs": {"train_url": {"url": "${job_dir}/code/out/"}}}, "overlaps the code dir"),
        ({"inputs": {"data_url": {"url": "obs://bucket/jobs/small/output/x/"}}}, "overlaps input data_url"),
        ({"outputs": {"trainurl": {"url": "obs://bucket/out/"}}}, "trainurl: is not a setting"),
        ({"inputs": {"data_url": {"url": "./coco"}}}, "data_url: ./coco is not an address"),
        ({"inputs": {"data_url": {"url": "obs://bucket/a/,./b"}}}, "data_url: ./b is not an address"),
        ({"inputs": {"data_url": {"url": "obs://bucket/a/,obs://bucket/jobs/small/"}}}, "overlaps input data_url"),
        ({"start": "mpi"}, "start: 'mpi' is not one of rank_table, msrun"),
        ({"priority": 2}, "priority: applies only in a dedicated pool"),
        ({"priority": 9, "pool": "p"}, "priority: 9 is not a whole number from 0 to 3"),
        ({"auto_stop_hours": "x"}, "auto_stop_hours: 'x' is not a whole number"),
        ({"command": "python x.py"}, "command: requires a custom image"),
        ({"image": "swr/own:1", "cards": 4}, "a custom image is started once per node"),
        ({"volumes": [{"nfs": {"local_path": "/x"}}]}, "is not a mount; write one of nfs: local_path, nfs_server_path"),
        ({"volumes": {"disk": {}}}, "volumes: {'disk': {}} is not a mount"),
        ({"environment": {"MA_RUN_METHOD": "mpi"}}, "only msrun is supported"),
        (
            engine("mindspore_2.3.0-cann_8.0.rc1-py_3.9-euler_2.10.7-aarch64-snt9b"),
            "MindSpore before 2.7 is not supported",
        ),
        (engine(PYTORCH), "provides pytorch, but the job needs MindSpore"),
        (engine("mindspore_1.7.0-cann_5.1.0-py_3.7-euler_2.8.3-aarch64"), "Python before 3.9 is not supported"),
        ({"flavour": "modelarts.kat1.xlarge"}, "has snt9 (Ascend 910A) cards, but the engine"),
        ({"flavour": "x.8snt9b23.y"}, "has snt9b23 cards, but the engine"),
        ({"engine": {"name": "x"}}, "engine: name and version"),
    ],
)
def test_each_mistake_is_one_line(make_job: MakeJob, changes: dict[str, Any], message: str) -> None:
    problems = check_definition(load_job(str(make_job(**changes))))
    assert any(message in problem for problem in problems), problems
    assert all("\n" not in problem for problem in problems)


def test_all_mistakes_are_told_at_once(make_job: MakeJob) -> None:
    job = make_job(name="a b", boot_file="no.py", hyperparameters={"lrr": 1, "batch_size": "x"})
    assert len(check_definition(load_job(str(job)))) == 4


def test_values_that_contradict_each_other(make_job: MakeJob) -> None:
    job = load_job(str(make_job()), Changes({"actions_file": "/nowhere.yaml"}))
    assert any("/nowhere.yaml" in problem for problem in check_definition(job))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"data.bin": SIZE_LIMIT + 1}, "5.0 GB"),
        ({f"{n}.py": 1 for n in range(COUNT_LIMIT + 1)}, "1,001 files and folders"),
        ({f"folder{n}/x.py": 1 for n in range(501)}, "1,002 files and folders"),
        ({"/".join(["d"] * DEPTH_LIMIT) + "/x.py": 1}, "33 levels deep"),
    ],
)
def test_limits_of_the_code_dir(files: dict[str, int], message: str) -> None:
    assert [message in problem for problem in limits_exceeded(files, "here")] == [True]


def test_code_at_the_limits_is_accepted() -> None:
    assert limits_exceeded({"a.py": SIZE_LIMIT, **{f"{n}.py": 0 for n in range(COUNT_LIMIT - 1)}}, "here") == []


def test_too_large_a_code_folder_on_disk(make_job: MakeJob, tmp_path: Path) -> None:
    job = load_job(str(make_job(code={"folder": "checkout", "files": ["."]})))
    with (tmp_path / "checkout" / "weights.ckpt").open("wb") as sparse:
        sparse.truncate(SIZE_LIMIT)
    assert any("GB, the platform allows 5" in problem for problem in check_definition(job))


def test_a_checkout_as_code_holds_no_tools_and_no_results(make_job: MakeJob, tmp_path: Path) -> None:
    job = load_job(str(make_job(code={"folder": "checkout", "files": ["."]})))
    for name in (
        ".git/config",
        ".venv/bin/python",
        "obs_root/b/x.ckpt",
        "work/dryrun/x",
        ".DS_Store",
        "src/obs_root/a",
    ):
        (tmp_path / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "checkout" / name).write_bytes(b"x")
    assert list(code_files(job)) == ["boot.py", "src/obs_root/a"]


def test_litter_is_no_code(make_job: MakeJob, tmp_path: Path) -> None:
    job = load_job(str(make_job(code={"folder": "checkout", "files": ["."]})))
    (tmp_path / "checkout" / "__pycache__").mkdir()
    (tmp_path / "checkout" / "__pycache__" / "boot.cpython-311.pyc").write_bytes(b"x")
    assert list(code_files(job)) == ["boot.py"]


def test_real_code_holds_what_a_job_needs_and_nothing_else() -> None:
    names = set(code_files(load_job("train_np4")))
    assert {"train_start.py", "test_tmp.py", "default_config.yaml", "requirements.txt", "obs_sync/__init__.py"} <= names
    assert not [name for name in names if name.startswith(("tests/", ".", "obs_root/", "shared/", "docs/", "work/"))]
    assert not [name for name in names if "/." in name or "/__pycache__/" in name]


def test_missing_input_and_missing_code_are_told(make_job: MakeJob, store: obs_sync.ObsFileSystem) -> None:
    job = load_job(str(make_job(inputs={"data_url": {"url": "obs://bucket/coco/"}})))
    problems = check_storage(job, store)
    assert any("data_url: obs://bucket/coco/: not found" in problem for problem in problems)
    assert any("code_dir: " in problem and "upload-code" in problem for problem in problems)
    upload_code(job, store)
    store.pipe_file("obs://bucket/coco/a.jpg", b"x")
    assert check_storage(job, store) == []


def test_checkpoints_in_the_uploaded_code_dir_count(make_job: MakeJob, store: obs_sync.ObsFileSystem) -> None:
    job = load_job(str(make_job()))
    upload_code(job, store)
    for number in range(COUNT_LIMIT):
        store.pipe_file(f"{job.code_dir}output/{number}.ckpt", b"x")
    assert any("files and folders" in problem for problem in check_storage(job, store))


def test_output_that_is_not_empty(make_job: MakeJob, store: obs_sync.ObsFileSystem) -> None:
    path = str(make_job())
    upload_code(load_job(path), store)
    store.pipe_file("obs://bucket/jobs/small/output2/other.ckpt", b"x")
    job = load_job(path, Changes({"resume": "never"}))
    job = replace(job, problems=())  # the setting may be newer than this test
    assert check_storage(job, store) == [], "a folder whose name only begins alike is another folder"
    store.pipe_file("obs://bucket/jobs/small/output/.refused-modelarts-job-7.json", b"{}")
    assert check_storage(job, store) == [], "what a job left that ended because of a wrong input is no result"
    store.pipe_file("obs://bucket/jobs/small/output/ckpt_0/a.ckpt", b"x")
    assert ["is not empty and resume is off" in problem for problem in check_storage(job, store)] == [True]


def test_output_in_use(make_job: MakeJob) -> None:
    job = load_job(str(make_job()))
    assert check_in_use(job, {"other": ["obs://bucket/jobs/small/output2/"], "third": []}) == []
    for used in ("obs://bucket/jobs/small/output/", "obs://bucket/jobs/small/output/ckpt_0/", "obs://bucket/jobs/"):
        problems = check_in_use(job, {"other": [used]})
        assert ["is in use by job other" in problem for problem in problems] == [True]


def test_inference_reads_the_folder_of_its_action() -> None:
    job = load_job("infer", Changes({"target_action_type": "climb_over_fence"}))
    root = "obs://skp-har-neu-xwt/skp-har/code/models-v1.5.0/official/cv/openpose_ms15_test_for_recurrence1"
    assert read_paths(job) == {
        "pic_folder_path_obs": f"{root}/climb_over_fence/",
        "checkpoint_folder_path_obs": f"{root}/models/np4_ep1000/",
        "checkpoint_filename": f"{root}/models/np4_ep1000/openpose_train_rank_1000_103.ckpt",
    }
    one = {"is_batch_pics": "False", "filename_to_infer": "4.jpg"}
    assert read_paths(load_job("infer", Changes(one)))["filename_to_infer"] == f"{root}/climb_up/4.jpg"
    assert read_paths(load_job("infer", Changes({"is_model_arts": "False"}))) == {}, "those are in the container"


def test_training_reads_data_and_weights() -> None:
    data = "obs://skp-har-neu-xwt/dataset/coco2017"
    assert read_paths(load_job("train_np1")) == {
        "data_url": f"{data}/",
        "imgpath_train": f"{data}/train2017",
        "jsonpath_train": f"{data}/annotations/person_keypoints_train2017.json",
    }
    more = read_paths(load_job("continue_np4", Changes({"vgg_path": "obs://b/vgg.ckpt", "maskpath_train": "masks"})))
    assert more["pretrained_model_filename"].endswith("/infer/modelarts_service/model/model.ckpt")
    assert (more["vgg_path"], more["maskpath_train"]) == ("obs://b/vgg.ckpt", f"{data}/masks")
    assert "vgg_path" not in read_paths(load_job("train_np1", Changes({"vgg_path": "./vgg.ckpt"})))


@pytest.mark.parametrize("word", ["True", "yes", "1", "on", '"true"', " TRUE "])
def test_every_spelling_of_true_means_the_same_inputs(word: str) -> None:
    expected = read_paths(load_job("infer", Changes({"is_model_arts": "True"})))
    assert len(expected) == 3
    assert read_paths(load_job("infer", Changes({"is_model_arts": word}))) == expected
    continued = read_paths(load_job("train_np1", Changes({"load_pretrain": word, **PRETRAINED})))
    assert continued["pretrained_model_filename"] == "obs://b/models/model.ckpt"


@pytest.mark.parametrize("word", ["False", "no", "0", "off"])
def test_every_spelling_of_false_means_the_same_inputs(word: str) -> None:
    assert "pretrained_model_filename" not in read_paths(
        load_job("train_np1", Changes({"load_pretrain": word, **PRETRAINED}))
    )
    one = {"is_batch_pics": word, "filename_to_infer": "4.jpg"}
    assert read_paths(load_job("infer", Changes(one)))["filename_to_infer"].endswith("/climb_up/4.jpg")


PRETRAINED = {"pretrained_model_folder_path_obs": "obs://b/models/"}


@pytest.mark.parametrize(
    ("key", "changes", "name"),
    [
        ("infer", {"pic_folder_path_obs": ""}, "pic_folder_path_obs"),
        ("infer", {"is_batch_pics": "off"}, "filename_to_infer"),
        ("infer", {"checkpoint_filename": ""}, "checkpoint_filename"),
        ("train_np1", {"jsonpath_train": ""}, "jsonpath_train"),
        ("continue_np1", {"pretrained_model_filename": ""}, "pretrained_model_filename"),
    ],
)
def test_a_setting_that_the_job_needs_may_not_be_empty(key: str, changes: dict[str, str], name: str) -> None:
    (problem,) = check_definition(load_job(key, Changes(changes)))
    assert problem.startswith(f"{name}: is empty, but ")


@pytest.mark.parametrize(
    ("kind", "name", "remedy"),
    [
        (INFERENCE, "pic_folder_path_relative", "pic_folder_path_obs"),
        (INFERENCE, "checkpoint_folder_path_relative", "checkpoint_folder_path_obs"),
        (INFERENCE, "output_img_path_relative", "output_path_root_obs"),
        (TRAINING, "pretrained_model_folder_path_relative", "pretrained_model_folder_path_obs"),
        (TRAINING, "scratch_path", "a disk of this machine"),
    ],
)
def test_an_obs_address_is_no_local_folder(kind: str, name: str, remedy: str) -> None:
    (problem,) = setting_problems(kind, build_config({name: "s3://bucket/a"}))
    assert problem.startswith(f"{name}: s3://bucket/a is an OBS address, but this is a local folder; ")
    assert remedy in problem


def test_staging_and_check_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both take what `job_inputs` says: an input that only one of them knows would be found missing in mid-job."""
    job = load_job("continue_np1", Changes({"vgg_path": "obs://b/vgg.ckpt", "maskpath_train": "masks"}))
    assert read_paths(job) == job_inputs(TRAINING, typed_config(job))


def test_what_is_missing_is_named_once(store: obs_sync.ObsFileSystem) -> None:
    job = load_job("continue_np1", Changes({}, bucket="bucket", prefix="jobs"))
    upload_code(job, store)

    def missing() -> list[str]:
        return [problem.split(":")[0] for problem in check_storage(job, store)]

    assert missing() == ["data_url", "pretrained_model_folder_path_obs"], "not also each file in them"
    store.pipe_file("obs://bucket/dataset/coco2017/train2017/a.jpg", b"x")
    store.pipe_file("obs://bucket/jobs/opps_multi_save_2obs/infer/modelarts_service/model/other.ckpt", b"x")
    assert missing() == ["jsonpath_train", "pretrained_model_filename"]


def test_each_of_several_data_sets_is_looked_for(store: obs_sync.ObsFileSystem) -> None:
    values = {"data_url": "obs://bucket/coco,obs://bucket/mine", "imgpath_train": ".", "jsonpath_train": "a.json"}
    job = load_job("train_np1", Changes(values, bucket="bucket", prefix="jobs"))
    upload_code(job, store)
    store.pipe_file("obs://bucket/coco/a.json", b"{}")
    (problem,) = check_storage(job, store)
    assert problem.startswith("data_url, set 2: obs://bucket/mine/: not found; ")
    assert problem.endswith("--set data_url=…")


def test_code_that_is_not_the_code_here_is_noted(
    make_job: MakeJob, store: obs_sync.ObsFileSystem, tmp_path: Path
) -> None:
    job = load_job(str(make_job()))
    assert code_notes(job, store) == [], "that nothing is there is a mistake, not a note"
    upload_code(job, store)
    assert code_notes(job, store) == []
    job = load_job(str(make_job("print('changed')")))
    store.pipe_file(f"{job.code_dir}old.py", b"x")
    changed, surplus = code_notes(job, store)
    assert f"missing or different from {tmp_path / 'checkout'}: boot.py; " in changed
    assert f"upload-code {tmp_path / 'small.yaml'}" in changed
    assert surplus.endswith(": old.py")
