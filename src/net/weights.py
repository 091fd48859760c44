"""Reading checkpoints and loading them into a network, with a report of what fitted and what did not."""

from __future__ import annotations

import inspect
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mindspore as ms
from mindspore import Parameter, nn

from src.errors import CheckpointError
from src.net.finite import not_finite
from src.net.formats import require_checkpoint

logger = logging.getLogger(__name__)

META_KEY = "meta"

#: Entries that belong to the training step and not to the network.
OPTIMIZER_ENTRY = re.compile(
    r"^(moments?\d*\.|moment[12]?[._]|global_step$|learning_rate|beta[12]_power$|momentum$|scale_sense$|"
    r"(last|current)_.*iterator|.*overflow)"
)
NETWORK_PREFIX = "network."
VGG_LAYER = re.compile(r"layers\.\d+\.(weight|bias)$")


@dataclass(frozen=True)
class LoadReport:
    """Names of the network's and the checkpoint's parameters by what became of them."""

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    other_shape: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{len(self.loaded)} parameters loaded, {len(self.missing)} missing{_named(self.missing)}, "
            f"{len(self.surplus)} surplus{_named(self.surplus)}, "
            f"{len(self.other_shape)} of another shape{_named(self.other_shape)}"
        )


def read_checkpoint(path: Path) -> tuple[dict[str, Parameter], dict[str, object]]:
    """All parameters of a checkpoint file by name, and the metadata this package stored with them (empty for others').

    Raises CheckpointError naming the file when it is missing, empty, damaged or no checkpoint.
    """
    require_checkpoint(path)
    options = {"crc_check": True} if "crc_check" in inspect.signature(ms.load_checkpoint).parameters else {}
    try:
        entries = ms.load_checkpoint(str(path), **options)
    except (ValueError, TypeError, RuntimeError, OSError) as error:
        raise CheckpointError(f"{path}: not a MindSpore checkpoint, or a damaged one ({first_line(error)})") from None
    meta = _read_meta(entries.pop(META_KEY, None))
    parameters = {name: value for name, value in entries.items() if isinstance(value, Parameter)}
    expected = meta.get("parameter_count")
    if expected is not None and expected != len(parameters):
        raise CheckpointError(f"{path}: damaged: holds {len(parameters)} parameters of {expected}")
    return parameters, meta


def network_weights(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The network's own parameters: optimizer entries left out, a leading `network.` stripped."""
    weights = {}
    for name, value in parameters.items():
        if not OPTIMIZER_ENTRY.match(name):
            weights[name[len(NETWORK_PREFIX) :] if name.startswith(NETWORK_PREFIX) else name] = value
    return weights


def vgg_backbone_weights(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The convolutions of a VGG19 classification checkpoint under this network's names; dense layers left out."""
    weights = {}
    for name, value in network_weights(parameters).items():
        match = VGG_LAYER.search(name)
        if match:
            weights["base.vgg_base." + match[0]] = value
    return weights


def load_weights(network: nn.Cell, weights: Mapping[str, Parameter], source: str) -> LoadReport:
    """Copy equally named and shaped weights into `network`.

    Raises CheckpointError when not a single one fits, or one that fits has a value that is not finite.
    """
    own = {parameter.name: parameter for parameter in network.get_parameters()}
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    report = LoadReport(
        loaded=tuple(fitting),
        missing=tuple(name for name in own if name not in weights),
        surplus=tuple(name for name in weights if name not in own),
        other_shape=tuple(name for name in weights if name in own and name not in fitting),
    )
    if not fitting:
        raise CheckpointError(
            f"{source}: nothing in it fits the network; the checkpoint has {_abbreviated(list(weights))}, "
            f"the network wants {_abbreviated(list(own))}"
        )
    if wrong := not_finite({name: value.asnumpy() for name, value in fitting.items()}):
        raise CheckpointError(f"{source}: {wrong} is not finite: training had diverged; use an earlier checkpoint")
    for name, value in fitting.items():
        own[name].set_data(ms.Tensor(value.asnumpy(), own[name].dtype))
    logger.info("%s: %s", source, report)
    return report


def load_all_weights(
    network: nn.Cell,
    path: Path,
    network_name: str,
    stages: int,
    read: tuple[dict[str, Parameter], dict[str, object]] | None = None,
) -> LoadReport:
    """Load a checkpoint that must hold every parameter of the network, as inference needs it.

    `read` is what `read_checkpoint` returned for the file. Raises CheckpointError that names the network the checkpoint
    was made with, where it says so.
    """
    parameters, meta = read or read_checkpoint(path)
    made_for = meta.get("network"), meta.get("stages")
    if made_for[0] is not None and made_for != (network_name, stages):
        raise CheckpointError(
            f"{path}: made for network={made_for[0]} stages={made_for[1]}, not for network={network_name} "
            f"stages={stages}; pass --network={made_for[0]} --stages={made_for[1]}"
        )
    report = load_weights(network, network_weights(parameters), str(path))
    if report.missing or report.other_shape:
        raise CheckpointError(f"{path}: does not fit network={network_name} stages={stages}: {report}")
    return report


def _read_meta(raw: object) -> dict[str, object]:
    if not isinstance(raw, str):
        return {}
    try:
        meta = json.loads(raw)
    except ValueError:
        return {}
    return meta if isinstance(meta, dict) else {}


def _named(names: tuple[str, ...]) -> str:
    return f" ({_abbreviated(list(names))})" if names else ""


def _abbreviated(names: list[str], shown: int = 3) -> str:
    if not names:
        return "no parameters"
    more = f", … {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def first_line(error: BaseException) -> str:
    """The first line of MindSpore's long messages that says something."""
    lines = [line.strip("- ") for line in str(error).splitlines() if line.strip("- ")]
    return lines[0][:160] if lines else type(error).__name__
