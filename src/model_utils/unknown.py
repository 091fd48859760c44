"""Names that are not settings: which setting was probably meant, and which belong to the platform."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from src.model_utils.setting import Setting

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
_OUTPUT_WORDS = (
    *("output", "output_dir", "output_path", "output_folder", "output_url", "out", "out_dir", "outdir", "save_dir"),
    *("save_path", "result_dir", "results", "work_dir"),
)
_PICTURES = ("pic_folder_path_relative", "pic_folder_path_obs", "imgpath_train")
_PICTURE_WORDS = (
    "image_dir",
    "img_dir",
    "pic_dir",
    "pic_folder",
    "picture_folder",
    "folder",
    "input",
    "source",
    "imgs",
)
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
    **dict.fromkeys(_OUTPUT_WORDS, _OUTPUT),
    **dict.fromkeys(("data", "data_dir", "data_path", "dataset", "dataset_path", "data_root", "root"), ("data_url",)),
    **dict.fromkeys(("annotations", "ann_file", "annotation_file", "json", "labels"), ("jsonpath_train",)),
    **dict.fromkeys(("pics", "pictures", "images", *_PICTURE_WORDS), _PICTURES),
    **dict.fromkeys(("pic", "picture", "image", "img", "filename", "file"), ("filename_to_infer",)),
    **dict.fromkeys(("checkpoint", "ckpt", "weights", "model", "ckpt_file", "model_path", "ckpt_path"), _WEIGHTS),
    **dict.fromkeys(("ckpt_url", "checkpoint_url"), ("checkpoint_folder_path_obs", "pretrained_model_folder_path_obs")),
    **dict.fromkeys(("pretrained", "pretrain", "finetune", "use_pretrained"), ("load_pretrain",)),
    **dict.fromkeys(("action", "action_type", "target", "target_action"), ("target_action_type",)),
    **dict.fromkeys(("img_size", "image_size", "imgsz", "input_size", "size"), ("insize", "infer_insize")),
    **dict.fromkeys(("device", "accelerator", "gpu", "npu"), ("device_target",)),
    **dict.fromkeys(("random_seed", "manual_seed"), ("seed",)),
    **dict.fromkeys(("num_workers", "threads", "num_parallel_workers"), ("workers",)),
    **dict.fromkeys(("optim", "opt", "solver"), ("optimizer", "optimizer_NP")),
    **dict.fromkeys(("storage", "store", "backend"), ("storage_mode",)),
    **dict.fromkeys(("save_interval", "save_steps", "checkpoint_interval"), ("ckpt_interval", "ckpt_epoch_interval")),
    **dict.fromkeys(("threshold", "thresh", "thr", "conf", "conf_thres", "score_threshold"), ("peak_threshold",)),
    **dict.fromkeys(("lang", "language", "locale"), ("label_language",)),
    **dict.fromkeys(("log_every", "print_freq", "log_steps"), ("log_interval",)),
    **dict.fromkeys(("val_json", "val_annotations", "val_ann_file"), ("jsonpath_val",)),
    **dict.fromkeys(("val_data", "val_images", "val_dir"), ("imgpath_val",)),
    **dict.fromkeys(("config", "cfg", "config_file"), ("config_path",)),
    **dict.fromkeys(("scale_factor", "grad_scale"), ("loss_scale",)),
    **dict.fromkeys(("max_grad_norm", "grad_clip", "clip_grad_norm"), ("clip_norm",)),
    **dict.fromkeys(("save_total_limit", "max_to_keep", "keep_max"), ("keep_checkpoint_max",)),
}


#: What lists the settings, for a name that resembles none of them.
HELP_HINT = "--help lists the settings"


def unknown_setting(name: str, settings: Mapping[str, Setting], job: str = "", hint: str = HELP_HINT) -> str:
    """The message for a name that is not a setting, with the settings it may stand for, or else the hint.

    With a `job`, settings of the other job are only named where none of its own is meant.
    """
    own = [one for one, setting in settings.items() if not job or setting.job in ("", job)]
    meant = suggestions(name, own) or suggestions(name, settings)
    return f"unknown hyperparameter '{name}'{_suggestion(meant, hint)}"


def suggestions(name: str, settings: Iterable[str]) -> list[str]:
    """The settings that a name may stand for: those it is another word for, else up to three of similar spelling."""
    by_folded = {_folded(one): one for one in settings}
    synonyms = [one for one in SYNONYMS.get(_folded(name), ()) if one in by_folded.values()]
    close = difflib.get_close_matches(_folded(name), list(by_folded), n=3, cutoff=0.7)
    return synonyms or [by_folded[one] for one in close]


def _suggestion(names: list[str], hint: str) -> str:
    if not names:
        return f"; {hint}"
    quoted = [f"'{name}'" for name in names]
    return f", did you mean {' or '.join(filter(None, (', '.join(quoted[:-1]), quoted[-1])))}?"


def _folded(name: str) -> str:
    return name.strip("-").lower().replace("-", "_")
