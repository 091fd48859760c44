"""One rank of a node in the tests of staging: stages, waits for every picture, and prints what it got as JSON.

python -m tests.modelarts.staging_rank SCRATCH [--key=value …]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import obs_sync
from modelarts.runtime.staging import stage_training
from src.data.coco import open_index
from src.data.pose_index import leave_out
from src.model_utils.config import build_config
from src.train.monitoring.startup import Startup
from tests.data.selection import SELECTION


def main(scratch: str, *arguments: str) -> None:
    """Stage as `train_start.py` does, without the training."""
    config = build_config(dict(argument[2:].split("=", 1) for argument in arguments))
    obs_sync.configure(storage_mode=config.storage_mode, obs_local_root=config.obs_local_root)
    startup = Startup()
    try:
        inputs = stage_training(config, Path(scratch), startup).sets[0]
        index = leave_out(
            open_index(inputs.annotations, SELECTION, cache=inputs.index_cache), inputs.missing, "the store", 1.0
        )
        names = index.names.tolist()
        if inputs.streamed is not None:
            inputs.streamed.expect(names)
            for name in names:
                inputs.streamed.wait_for(name)
            inputs.streamed.close()
        whole = sum((inputs.pictures / name).is_file() for name in names)
        found = {"pictures": whole, "missing": list(inputs.missing), "startup": startup.to_dict()}
    except Exception as error:  # noqa: BLE001 - the test looks at it
        found = {"error": f"{type(error).__name__}: {error}", "exit_code": getattr(error, "exit_code", 1)}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
