"""What several tools are tested with: the real small network as a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.tools.import_weights import main


@pytest.fixture(scope="session")
def real_checkpoint(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published small network's weights as a checkpoint."""
    path = tmp_path_factory.mktemp("real") / "real.ckpt"
    source = shared / "weights" / "openpose_mobilenet_v2.npz"
    assert main([f"--input={source}", "--network=mobilenet_v2", f"--output={path}"]) == 0
    return path
