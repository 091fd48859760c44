"""A stand-in for the published OpenPose body model: its names and shapes, random numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def random_body_model(scale: float = 1.0) -> dict[str, NDArray[np.float32]]:
    """Random weights of the published body model's first two stages, under its names and in its shapes."""
    rng = np.random.default_rng(3)
    arrays: dict[str, NDArray[np.float32]] = {}

    def convolution(name: str, inputs: int, outputs: int, kernel: int) -> None:
        arrays[f"{name}.weight"] = rng.normal(scale=scale, size=(outputs, inputs, kernel, kernel)).astype(np.float32)
        arrays[f"{name}.bias"] = rng.normal(scale=scale, size=outputs).astype(np.float32)

    vgg = "1_1:3:64 1_2:64:64 2_1:64:128 2_2:128:128 3_1:128:256 3_2:256:256 3_3:256:256 3_4:256:256 4_1:256:512"
    for layer in f"{vgg} 4_2:512:512 4_3_CPM:512:256 4_4_CPM:256:128".split():
        name, inputs, outputs = layer.split(":")
        convolution(f"conv{name}", int(inputs), int(outputs), 3)
    for branch, maps in (("L1", 38), ("L2", 19)):
        for i in (1, 2, 3):
            convolution(f"conv5_{i}_CPM_{branch}", 128, 128, 3)
        convolution(f"conv5_4_CPM_{branch}", 128, 512, 1)
        convolution(f"conv5_5_CPM_{branch}", 512, maps, 1)
        for i, inputs in enumerate((185, 128, 128, 128, 128), start=1):
            convolution(f"Mconv{i}_stage2_{branch}", inputs, 128, 7)
        convolution(f"Mconv6_stage2_{branch}", 128, 128, 1)
        convolution(f"Mconv7_stage2_{branch}", 128, maps, 1)
    return arrays
