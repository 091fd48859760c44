"""Final export of the trained network for other programs."""

from __future__ import annotations

from pathlib import Path

import mindspore as ms

from src.errors import OutputError
from src.model_utils.config import Config
from src.net.exporting import ENDINGS, check_possible, export_network
from src.net.versions import end_data_parallel
from src.net.weights import first_line
from src.train.run import Trained

AUTO = "auto"


def chosen_format(export_format: str, device: str) -> str:
    """The format that `export_format` means on this device: `auto` is AIR on Ascend, elsewhere MINDIR."""
    if export_format != AUTO:
        return export_format
    return "AIR" if device == "Ascend" else "MINDIR"


def export_path(config: Config, trained: Trained, checkpoint: Path) -> Path:
    """The exported file's path beside the checkpoint it is made from."""
    return checkpoint.with_suffix(ENDINGS[chosen_format(config.export_format, trained.device)])


def export_trained(config: Config, trained: Trained, path: Path) -> None:
    """Write the network to `path`, and read the file again where MindSpore can.

    On CPU it takes pictures of any number and size, elsewhere one of `infer_insize` squared. Raises ConfigError where
    the format cannot be written, OutputError when writing or reading fails.
    """
    file_format = chosen_format(config.export_format, trained.device)
    dynamic = trained.device == "CPU" and file_format == "MINDIR"
    check_possible(file_format, dynamic, trained.device)
    end_data_parallel()  # the export runs on this card alone
    shape = (1, 3, config.infer_insize, config.infer_insize)
    export_network(trained.network, path.with_suffix(""), file_format, shape, dynamic)
    if file_format == "MINDIR":
        try:
            ms.load(str(path))
        except (RuntimeError, ValueError) as error:
            raise OutputError(f"{path}: the exported file cannot be read back: {first_line(error)}") from None
