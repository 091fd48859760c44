"""pandas and pyarrow read and write obs:// once obs_sync is imported, in every mode."""

from __future__ import annotations

import pytest

import obs_sync
from obs_sync import ObsFileSystem

pd = pytest.importorskip("pandas")


@pytest.fixture
def configured(fs: ObsFileSystem) -> ObsFileSystem:
    """The filesystem as this process's default."""
    obs_sync.configure(fs._credentials, **fs.settings.__dict__)
    return fs


def test_csv(configured: ObsFileSystem, base: str) -> None:
    frame = pd.DataFrame({"name": ["ä", "b"], "value": [1, 2]})
    frame.to_csv(f"{base}/t.csv", index=False)
    assert pd.read_csv(f"{base}/t.csv").equals(frame)


def test_parquet_and_pyarrow(configured: ObsFileSystem, base: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    frame = pd.DataFrame({"value": range(1000)})
    frame.to_parquet(f"{base}/part/t.parquet")
    assert pd.read_parquet(f"{base}/part/t.parquet").equals(frame)
    table = parquet.read_table(f"{base[6:]}/part", filesystem=configured)
    assert table.num_rows == 1000
