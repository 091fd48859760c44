"""Names that are not settings: which setting was probably meant, and which belong to the platform."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: Arguments that ModelArts and its launchers add for frameworks that need them; docs/platform.md gives the sources.
PLATFORM_ARGUMENTS = frozenset(
    (
        *("init_method", "rank", "world_size", "num_gpus", "device_num", "job_name"),
        *("task_index", "ps_hosts", "worker_hosts"),
    )
)

_EPOCHS = ("max_epoch_train", "max_epoch_train_NP")
_WEIGHTS = ("pretrained_model_filename", "checkpoint_filename")
_OUTPUT = ("train_url", "output_path_root_obs", "output_img_path_relative")
_PICTURES = ("pic_folder_path_relative", "pic_folder_path_obs", "imgpath_train")
#: What other programs call these settings, in the spelling of `_folded`.
SYNONYMS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("epoch", "epochs", "max_epoch", "max_epochs", "num_epochs", "n_epochs", "train_epochs"), _EPOCHS),
    **dict.fromkeys(("learning_rate", "base_lr", "init_lr", "lr_init", "learningrate"), ("lr",)),
    **dict.fromkeys(("lr_scheduler", "lr_schedule", "scheduler", "lr_policy"), ("lr_type",)),
    **dict.fromkeys(("lr_decay", "gamma", "decay"), ("lr_gamma",)),
    **dict.fromkeys(("milestones", "lr_milestones", "decay_steps"), ("lr_steps", "lr_steps_NP")),
    **dict.fromkeys(("warmup", "warmup_epochs", "warm_up"), ("warmup_epoch",)),
    **dict.fromkeys(("batch", "bs", "batchsize", "train_batch_size"), ("batch_size",)),
    **dict.fromkeys(("backbone", "arch", "architecture", "model_name", "net"), ("network",)),
    **dict.fromkeys(("output", "output_dir", "output_path", "out", "outdir", "save_dir", "work_dir"), _OUTPUT),
    **dict.fromkeys(("data", "data_dir", "data_path", "dataset", "dataset_path", "data_root", "root"), ("data_url",)),
    **dict.fromkeys(("annotations", "ann_file", "annotation_file", "json", "labels"), ("jsonpath_train",)),
    **dict.fromkeys(("pics", "pictures", "images", "image_dir", "img_dir", "pic_folder", "input", "source"), _PICTURES),
    **dict.fromkeys(("pic", "picture", "image", "img", "filename", "file"), ("filename_to_infer",)),
    **dict.fromkeys(("checkpoint", "ckpt", "weights", "model", "ckpt_file", "model_path", "ckpt_path"), _WEIGHTS),
    **dict.fromkeys(("ckpt_url", "checkpoint_url"), ("checkpoint_folder_path_obs", "pretrained_model_folder_path_obs")),
    **dict.fromkeys(("pretrained", "pretrain", "finetune", "use_pretrained"), ("load_pretrain",)),
    **dict.fromkeys(("action", "action_type", "target", "target_action"), ("target_action_type",)),
    **dict.fromkeys(("img_size", "image_size", "imgsz", "input_size", "size"), ("insize", "infer_insize")),
    **dict.fromkeys(("device", "accelerator"), ("device_target",)),
    **dict.fromkeys(("random_seed", "manual_seed"), ("seed",)),
    **dict.fromkeys(("num_workers", "threads", "num_parallel_workers"), ("workers",)),
    **dict.fromkeys(("optim", "opt", "solver"), ("optimizer", "optimizer_NP")),
    **dict.fromkeys(("storage", "store", "backend"), ("storage_mode",)),
    **dict.fromkeys(("save_interval", "save_steps", "checkpoint_interval"), ("ckpt_interval", "ckpt_epoch_interval")),
    **dict.fromkeys(("threshold", "conf", "conf_thres", "score_threshold"), ("peak_threshold",)),
    **dict.fromkeys(("config", "cfg", "config_file"), ("config_path",)),
    **dict.fromkeys(("scale_factor", "grad_scale"), ("loss_scale",)),
    **dict.fromkeys(("max_grad_norm", "grad_clip", "clip_grad_norm"), ("clip_norm",)),
    **dict.fromkeys(("save_total_limit", "max_to_keep", "keep_max"), ("keep_checkpoint_max",)),
}


def unknown_setting(name: str, settings: Iterable[str]) -> str:
    """The message for a name that is not a setting, with the settings it may stand for."""
    return f"unknown hyperparameter '{name}'{_suggestion(suggestions(name, settings))}"


def suggestions(name: str, settings: Iterable[str]) -> list[str]:
    """The settings that a name may stand for: those it is another word for, else up to three of similar spelling."""
    by_folded = {_folded(one): one for one in settings}
    synonyms = [one for one in SYNONYMS.get(_folded(name), ()) if one in by_folded.values()]
    close = difflib.get_close_matches(_folded(name), list(by_folded), n=3, cutoff=0.7)
    return synonyms or [by_folded[one] for one in close]


def _suggestion(names: list[str]) -> str:
    if not names:
        return "; --help lists the settings"
    quoted = [f"'{name}'" for name in names]
    return f", did you mean {' or '.join(filter(None, (', '.join(quoted[:-1]), quoted[-1])))}?"


def _folded(name: str) -> str:
    return name.strip("-").lower().replace("-", "_")
