"""Supported engines, and the chips of engines and flavours, derived from their names.

Engine versions are named `<framework>_<version>-cann_<version>-py_<version>-<system>-<architecture>-<chip>`. The name
of a flavour contains the chip (`…8snt9b…`), denotes the Ascend 910 series (`modelarts.kat1.…`), or does not
include it (flavours of dedicated pools).
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

from modelarts.jobs.definition import PROBE, JobSpec

#: The oldest versions that the numerical tests run on.
OLDEST_MINDSPORE, OLDEST_PYTHON = (2, 7), (3, 9)
MINDSPORE = "mindspore"
_CHIP = re.compile(r"snt\d+[a-z]?\d*")
_KAT1_CHIP = "snt9"
_NAMES = {"snt9": "Ascend 910A", "snt9b": "Ascend 910B", "snt3p": "Ascend 310P"}


class Engine(NamedTuple):
    """The parts of an engine version's name; None or empty for parts that it lacks."""

    framework: str
    version: Optional[tuple[int, int]]  # noqa: UP045 - evaluated at run time on Python 3.9
    python: Optional[tuple[int, int]]  # noqa: UP045
    chip: str


def engine_of(version: str) -> Engine:
    """The parts of an engine version's name."""
    framework = re.match(r"([a-z]+)_(\d+)\.(\d+)", version)
    python = re.search(r"-py_(\d+)\.(\d+)", version)
    chip = _CHIP.findall(version)
    return Engine(
        framework[1] if framework else "",
        (int(framework[2]), int(framework[3])) if framework else None,
        (int(python[1]), int(python[2])) if python else None,
        chip[-1] if chip else "",
    )


def chip_of_engine(job: JobSpec) -> str:
    """The chip that the job's engine is built for; empty for a custom image, or when the name does not contain it."""
    return "" if job.placement.image else engine_of(job.engine_version).chip


def chip_of_flavour(flavour: str) -> str:
    """The chip of a flavour; empty when its name does not contain it."""
    if flavour.startswith("modelarts.kat1."):
        return _KAT1_CHIP
    chip = _CHIP.findall(flavour)
    return chip[-1] if chip else ""


def hardware_mistakes(job: JobSpec) -> list[str]:
    """One line for an engine that cannot run the job, and for one built for another chip than the flavour's."""
    if job.placement.image:
        return []
    engine, flavour_chip = engine_of(job.engine_version), chip_of_flavour(job.flavour)
    problems = [] if job.kind == PROBE else _engine_mistakes(engine, job)
    if engine.chip and flavour_chip and engine.chip != flavour_chip:
        problems.append(
            f"flavour: {job.flavour} has {_named(flavour_chip)} cards, but the engine {job.engine_version} "
            f"is built for {_named(engine.chip)}; choose a flavour or an engine with the same chip"
        )
    return problems


def _engine_mistakes(engine: Engine, job: JobSpec) -> list[str]:
    """The probe runs on any engine, inference with ONNX Runtime on one without MindSpore."""
    reasons, needs_mindspore = [], job.values.get("engine", MINDSPORE) == MINDSPORE
    if engine.framework == MINDSPORE and engine.version and engine.version < OLDEST_MINDSPORE:
        reasons.append(f"MindSpore before {_dotted(OLDEST_MINDSPORE)} is not supported")
    if engine.framework not in ("", MINDSPORE) and needs_mindspore:
        reasons.append(f"provides {engine.framework}, but the job needs MindSpore")
    if engine.python and engine.python < OLDEST_PYTHON:
        reasons.append(f"Python before {_dotted(OLDEST_PYTHON)} is not supported")
    step = "list engines with: python -m modelarts offers"
    return [f"engine: {job.engine_version}: {reason}; {step}" for reason in reasons]


def _named(chip: str) -> str:
    return f"{chip} ({_NAMES[chip]})" if chip in _NAMES else chip


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
