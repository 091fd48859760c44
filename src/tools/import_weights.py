"""Turns published weights into a MindSpore checkpoint for `test_tmp.py` and `train_start.py`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from src.errors import CheckpointError
from src.net.formats import INPUT_FORMATS
from src.tools.common.command import make_parser, not_negative, positive, refuse_existing, run_command
from src.tools.weights.files import read_arrays, require_weights_file
from src.tools.weights.name_mapping import arrange

#: Maps are published in half precision: this much is rounding.
_TOLERANCE = 5e-3


def import_weights(
    source: Path,
    network_name: str,
    stages: int,
    target: Path,
    golden: Path | None = None,
    tolerance: float = _TOLERANCE,
) -> int:
    """Write the checkpoint and return its number of parameters.

    Raises CheckpointError when the file cannot be read, a parameter is missing or a shape differs, or the network's
    outputs are farther than `tolerance` from the golden ones; nothing is written then. Replaces `target`.
    """
    import mindspore as ms

    from src.net.build import build_network
    from src.train.checkpoints.checkpoint import network_meta, write_checkpoint

    arrays = read_arrays(source)
    network = build_network(network_name, stages)
    shapes = {parameter.name: tuple(parameter.shape) for parameter in network.get_parameters()}
    arranged = arrange(network_name, shapes, arrays, source)
    for parameter in network.get_parameters():
        parameter.set_data(ms.Tensor(arranged[parameter.name]))
    if golden is not None:
        from src.tools.weights.reference_outputs import compare_with_golden

        for difference in compare_with_golden(network, golden):
            print(f"{difference.picture}: heatmaps within {difference.heatmaps:.2g}, pafs within {difference.pafs:.2g}")
            if not (difference.heatmaps <= tolerance and difference.pafs <= tolerance):
                raise CheckpointError(
                    f"{source}: with its weights {network_name} differs from the golden {difference.picture} by "
                    f"{max(difference.heatmaps, difference.pafs):.2g} (allowed {tolerance:g}); nothing was written"
                )
    write_checkpoint(network, target, network_meta(network_name, stages, imported_from=source.name))
    return len(shapes)


def _work(arguments: argparse.Namespace) -> int:
    require_weights_file(arguments.input)
    refuse_existing(arguments.output, arguments.force, "output", [arguments.input])
    from src.net.build import choose_device

    choose_device("CPU")
    count = import_weights(
        arguments.input, arguments.network, arguments.stages, arguments.output, arguments.golden, arguments.tolerance
    )
    print(f"{arguments.output}: {count} parameters of {arguments.network} from {arguments.input}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = make_parser(
        "import_weights",
        "Turn published weights (.npz, .safetensors, PyTorch's .pth) into a MindSpore checkpoint.",
        "--input=openpose_mobilenet_v2.npz --network=mobilenet_v2 --output=models/m.ckpt --golden=golden",
        "--input=body_pose_model.pth --network=vgg19 --output=models/vgg19.ckpt",
    )
    parser.add_argument("--input", required=True, type=Path, metavar="FILE", help="the published weights")
    parser.add_argument("--network", required=True, choices=sorted(INPUT_FORMATS), help="network they belong to")
    parser.add_argument(
        "--stages", type=positive, default=6, help="stages of the network, the first so many [%(default)s]"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="checkpoint to write (.ckpt)")
    parser.add_argument(
        "--golden", type=Path, metavar="PATH", help="golden outputs (.npz, or a folder) to compare with"
    )
    parser.add_argument(
        "--tolerance", type=not_negative, default=_TOLERANCE, help="largest difference to them [%(default)s]"
    )
    parser.add_argument("--force", action="store_true", help="replace a checkpoint that is there already")
    return run_command(_work, parser, argv)


if __name__ == "__main__":
    sys.exit(main())
