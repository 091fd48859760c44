"""Staging a job's inputs: obs:// paths are copied to local folders, local paths are used in place.

Training stages once per node: annotations → index → the pictures, masks and weights that it needs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict, TypeVar, cast

import obs_sync
from modelarts.job_inputs import TRAINING, job_inputs, setting_problems, training_sets
from modelarts.runtime.best_checkpoint import checkpoint_in
from modelarts.runtime.copy_worker import copy_names
from modelarts.runtime.node_lock import Report, WorkStatus, once_per_node
from modelarts.runtime.streaming import StageRequest, StreamedPictures, storage_settings
from src.data.coco import Selection, open_index
from src.data.listing import Listing, inside, listing_by_ending
from src.data.order import epoch_order, evenly_spread
from src.data.packed import SHARD_INDEX, packed_file_names
from src.data.pose_index import PoseIndex, leave_out
from src.errors import ConfigError, DataError
from src.files import atomic_path
from src.model_utils.config import Config
from src.net.formats import require_checkpoint
from src.train.inputs import TrainingInputs, TrainingSet
from src.train.monitoring.startup import Startup

T = TypeVar("T")
STREAM = "stream"


class _Compared(TypedDict):
    """Pictures that the store does not have, and how many are to be copied."""

    missing: list[str]
    due: int


class _Copied(TypedDict):
    """Names that the store does not have, and what was copied."""

    missing: list[str]
    files: int
    bytes: int


@dataclass(frozen=True)
class Site:
    """Where a job stages to, how long it waits for another process of the node, and its start-up times."""

    scratch: Path
    stalled_s: float
    startup: Startup = field(default_factory=Startup)

    def once(self, kind: str, target: Path, work: Callable[[Report], T]) -> T:
        """The result of `work`, which one process of the node runs for all that stage the same kind to this target."""
        return once_per_node(self.node, _work_name(kind, target), work, self.stalled_s)

    def last(self, kind: str, target: Path) -> object:
        """The result of the last such work, in this start of the job or an earlier one; None if it failed."""
        return WorkStatus(self.node, _work_name(kind, target)).outcome().get("value")

    @property
    def node(self) -> Path:
        """The folder of the locks and progress files that the processes of the node share."""
        return self.scratch / "node"

    def copy_of(self, url: str) -> Path:
        """Local path of the copy of an object or folder."""
        return self.scratch / "staged" / url.split("://", 1)[1].strip("/")


def _work_name(kind: str, target: Path) -> str:
    return f"{kind}-{hashlib.sha256(str(target.absolute()).encode()).hexdigest()[:12]}"


def stage_training(config: Config, scratch: Path, startup: Startup | None = None) -> TrainingInputs:
    """Stage everything that training reads, once per node; returns local paths and records the times in `startup`.

    With stage=stream the pictures are still being copied: `streamed` waits for each. Raises what obs_sync raises,
    DataError for a missing local path, and NodeError when the process that works for the node failed or stalls.
    """
    site = Site(scratch, config.stage_timeout, startup or Startup())
    missing_names = setting_problems(TRAINING, config)
    if missing_names:
        raise ConfigError("; ".join(missing_names))
    inputs = job_inputs(TRAINING, config)
    pictures, annotations = _validation_set(config, inputs, site)
    vgg = _file(inputs["vgg_path"], "vgg_path", site) if "vgg_path" in inputs else None
    pretrained = _pretrained(config, site)
    sets = tuple(_training_set(config, paths, site) for paths in training_sets(config))
    return TrainingInputs(sets, pretrained, vgg, pictures, annotations)


def _training_set(config: Config, inputs: Mapping[str, str], site: Site) -> TrainingSet:
    annotations = _file(inputs["jsonpath_train"], "jsonpath_train", site)
    cache = site.scratch / "index" / hashlib.sha256(str(annotations.absolute()).encode()).hexdigest()[:12]
    index = _index(annotations, Selection(config.min_keypoints, config.min_area), cache, site)
    pictures_at = inputs["imgpath_train"]
    masks = _masks(inputs["maskpath_train"], index, site) if "maskpath_train" in inputs else None
    if not obs_sync.is_url(pictures_at):
        return TrainingSet(_local_folder(pictures_at, "imgpath_train"), annotations, masks, cache)
    pictures = site.copy_of(pictures_at)
    if _fetch_shards(pictures_at, site):
        return TrainingSet(pictures, annotations, masks, cache)
    if config.stage == STREAM:
        missing, streamed = _streamed_pictures(pictures_at, pictures, index, config, site)
        return TrainingSet(pictures, annotations, masks, cache, missing, streamed)
    missing = _fetch_names(pictures_at, pictures, index.names.tolist(), "pictures", site)
    return TrainingSet(pictures, annotations, masks, cache, missing)


def _validation_set(config: Config, inputs: Mapping[str, str], site: Site) -> tuple[Path | None, Path | None]:
    """Pictures and annotations to validate on, if any; from the store, only the pictures in use are fetched."""
    if "jsonpath_val" not in inputs or not config.val_pictures:
        return None, None
    annotations = _file(inputs["jsonpath_val"], "jsonpath_val", site)
    pictures_at = inputs["imgpath_val"]
    if not obs_sync.is_url(pictures_at):
        return _local_folder(pictures_at, "imgpath_val"), annotations
    if not _fetch_shards(pictures_at, site):
        index = open_index(annotations, config.part(Selection))
        part = index.take(evenly_spread(len(index), config.val_pictures))
        _fetch_names(pictures_at, site.copy_of(pictures_at), part.names.tolist(), "validation pictures", site)
    return site.copy_of(pictures_at), annotations


def stage_checkpoint(folder_obs: str, folder_relative: str, filename: str, site: Site | None = None) -> Path:
    """The local path of a checkpoint; copied from its OBS folder first when one is given.

    With a `site` it is copied once per node and linked into `folder_relative` (each card has its own working folder).
    """
    if not filename:
        raise ConfigError("the checkpoint's file name is empty; give checkpoint_filename or pretrained_model_filename")
    filename = checkpoint_in(folder_obs or folder_relative, filename)
    if not folder_obs:
        return Path(folder_relative) / filename
    if not obs_sync.is_url(folder_obs):
        return Path(folder_obs) / filename  # the platform has already copied it into the container
    local = Path(folder_relative) / filename
    url = obs_sync.join(folder_obs, filename)
    if site is None:
        obs_sync.copy(url, str(local))
    else:
        _link(_fetch_file(url, "pretrained", site), local)
    return local


def stage_pictures(url: str, folder_relative: str, only: str = "", results: str = "") -> tuple[Path, Listing]:
    """Copy the pictures to judge; returns their local folder and what was listed in the store.

    Each OBS folder has its own local folder below `folder_relative`, so that files already there are not mixed in.
    `only` names a single picture; files below the URL `results` are not inputs. A picture that is deleted during the
    copy is still listed: its reader reports it. Raises DataError when there are no pictures.
    """
    folder = Path(folder_relative) / url.split("://", 1)[1].strip("/")
    if only:
        inside(folder, only)
    base = url.rstrip("/") + "/"
    left_out = results.rstrip("/")[len(base) :] + "/" if results.startswith(base) else ""
    found = (name for name in obs_sync.list_files(url) if not left_out or not name.startswith(left_out))
    listing = Listing([only]) if only else listing_by_ending(found)
    listing.log_skipped(url)
    names = listing.names
    if not names:
        raise DataError(f"{url}: no pictures in this folder")
    missing = copy_names(url, str(folder), names, lambda _line: None).missing
    if len(missing) == len(names):
        raise DataError(f"{obs_sync.join(url, missing[0])}: no such picture")
    return folder, listing


def _index(annotations: Path, selection: Selection, cache: Path, site: Site) -> PoseIndex:
    """The index, built by one process of the node and mapped into memory by all."""
    with site.startup("indexing") as phase:
        site.once("index", cache, lambda _report: len(open_index(annotations, selection, cache)))
        index = open_index(annotations, selection, cache)
        phase.files, phase.size_bytes, phase.note = len(index), index.nbytes, "pictures and the index's memory"
    return index


def _pretrained(config: Config, site: Site) -> Path | None:
    if not config.load_pretrain:
        return None
    folder_obs, folder = config.pretrained_model_folder_path_obs, config.pretrained_model_folder_path_relative
    checkpoint = stage_checkpoint(folder_obs, folder, config.pretrained_model_filename, site)
    require_checkpoint(checkpoint)  # before pictures are copied, and MindSpore is loaded
    return checkpoint


def _masks(path: str, index: PoseIndex, site: Site) -> Path:
    """The folder of the masks; the mask of a picture that has none is drawn from the annotations."""
    if not obs_sync.is_url(path):
        return _local_folder(path, "maskpath_train")
    if _fetch_shards(path, site):
        return site.copy_of(path)
    names = [os.path.splitext(name)[0] + ".png" for name in index.names.tolist()]
    missing = _fetch_names(path, site.copy_of(path), names, "masks", site)
    if len(missing) == len(names):
        raise DataError(f"maskpath_train: {path} has no mask for any annotated picture, not even {names[0]}")
    return site.copy_of(path)


def _streamed_pictures(
    url: str, target: Path, index: PoseIndex, config: Config, site: Site
) -> tuple[tuple[str, ...], StreamedPictures]:
    """The names of pictures missing from the store, and the object that waits for the others.

    Outdated copies are removed before anything can read them.
    """
    name = _work_name("pictures", target)
    request = StageRequest(url, str(target.absolute()), str(site.node), name, (), storage_settings())
    started: list[StreamedPictures] = []

    def compare(report: Report) -> _Compared:
        last = site.last("compare", target)
        if isinstance(last, dict) and {"missing", "due"} <= last.keys() and request.is_under_way():
            return cast(_Compared, last)  # this rank is late: others are already training on these files
        report(f"comparing {len(index)} pictures with {url}")
        result = copy_names(url, str(target), index.names.tolist(), report, dry_run=True)
        present = leave_out(index, result.missing, url, config.missing_pictures_max)
        first = present.names[epoch_order(len(present), config.seed, 0)].tolist()
        due = set(result.copied)
        for old in due:
            (target / old).unlink(missing_ok=True)
        replace(request, names=[each for each in first if each in due]).write()
        if due:
            started.append(StreamedPictures(request, site.stalled_s))
            started[0].start()
        return {"missing": result.missing, "due": len(due)}

    with site.startup("staging pictures") as phase:
        found = site.once("compare", target, compare)
        phase.files, phase.note = found["due"], "copied while training runs (stage=stream)"
    streamed = started[0] if started else StreamedPictures(request, site.stalled_s)
    return tuple(found["missing"]), streamed


def _fetch_shards(url: str, site: Site) -> bool:
    """Copy a packed data set's shards, once per node; False when the URL holds none. Shards are never streamed."""
    folder = site.copy_of(url)
    if not site.once("packed", folder, lambda _report: obs_sync.exists(obs_sync.join(url, SHARD_INDEX))):
        (folder / SHARD_INDEX).unlink(missing_ok=True)  # of earlier shards
        return False
    _fetch_names(url, folder, [SHARD_INDEX], "shard index", site)
    missing = _fetch_names(url, folder, packed_file_names(folder), "shards", site)
    if missing:
        raise DataError(
            f"{url}: {len(missing)} of its shards are missing, such as {missing[0]}; upload the packed data set again"
        )
    return True


def _fetch_names(url: str, target: Path, names: Sequence[str], kind: str, site: Site) -> tuple[str, ...]:
    """Copy the named objects, once per node; returns the names that do not exist."""

    def copy(report: Report) -> _Copied:
        report(f"copying {len(names)} {kind} from {url}")
        result = copy_names(url, str(target), names, report)
        return {"missing": result.missing, "files": len(result.copied), "bytes": result.copied_bytes}

    with site.startup(f"staging {kind}") as phase:
        found = site.once(kind, target, copy)
        phase.files, phase.size_bytes = found["files"], found["bytes"]
    return tuple(found["missing"])


def _fetch_file(url: str, kind: str, site: Site) -> Path:
    """Copy one object, once per node."""
    target = site.copy_of(url)

    def copy(report: Report) -> dict[str, int]:
        report(f"copying {url}")
        result = obs_sync.copy(
            url, str(target), progress=lambda now: report(f"{now.bytes_done / 1e6:,.1f} MB of {url}")
        )
        return {"files": len(result.copied), "bytes": result.copied_bytes}

    with site.startup(f"staging {kind}") as phase:
        found = site.once(kind, target, copy)
        phase.files, phase.size_bytes = found["files"], found["bytes"]
    return target


def _file(path: str, key: str, site: Site) -> Path:
    if obs_sync.is_url(path):
        return _fetch_file(path, "annotations" if key == "jsonpath_train" else key.replace("_path", ""), site)
    if not Path(path).is_file():
        raise DataError(f"{key}: {path}: no such file; data_url names the folder of the data set")
    return Path(path)


def _local_folder(path: str, key: str) -> Path:
    if not Path(path).is_dir():
        raise DataError(f"{key}: {path}: no such folder")
    return Path(path)


def _link(source: Path, target: Path) -> None:
    """Create a hard link to a file, or a copy where the disk has no hard links."""
    if target.exists() and target.samefile(source):
        return
    try:
        with atomic_path(target) as temporary:
            os.link(source, temporary)
    except OSError:
        obs_sync.copy(str(source), str(target))
