"""A job as a process of its own, with a network that costs nothing: to be killed, and to be one of several cards.

python -m tests.infer.job_with_fake PICTURES OUTPUT_PARENT OBS_ROOT_OR_EMPTY RANK RANK_SIZE DELAY_S
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import modelarts.runtime.results.upload
import obs_sync
from modelarts.runtime.results.upload import results_folder
from src.actions import find_action
from src.data.listing import picture_names
from src.infer.output.output_folder import run_digest
from src.infer.output.shard import Shard
from src.infer.run import infer_folder
from tests.infer.fakes import FakeNetwork


def main(pictures: str, parent: str, bucket: str, rank: str, rank_size: str, delay_s: str) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    modelarts.runtime.results.upload.DELIVER_EVERY_S = 0.2
    modelarts.runtime.results.upload.LOOK_EVERY_S = 0.2
    root = ""
    if bucket:
        obs_sync.configure(storage_mode="local", obs_local_root=bucket)
        root = "obs://bucket/job/output_img"
    shard = Shard(int(rank), int(rank_size), stall_timeout_s=20)
    names = picture_names(Path(pictures))
    with results_folder(Path(parent), root, run_digest({"pictures": pictures}), shard) as (folder, _, sink):
        network = FakeNetwork(delay_s=float(delay_s))
        infer_folder(network, Path(pictures), names, folder, find_action("climb_up"), {}, shard=shard, sink=sink)
        sys.stdout.write(f"judged {sum(map(len, network.log))} in {folder.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
