"""Inputs are brought in, outputs carried out while the job runs, whatever happens to it."""

from __future__ import annotations

from pathlib import Path

import pytest

import obs_sync
from src.errors import DataError
from tests.modelarts.dryrun.conftest import INPUT, TELL, Bench


def test_outputs_are_carried_out_while_the_job_runs(bench: Bench) -> None:
    script = TELL + (
        "\nimport time\n(out / 'ckpt_0').mkdir()\n(out / 'ckpt_0' / 'a.ckpt').write_bytes(b'weights')\n"
        f"seen = pathlib.Path({str(bench.folder / 'obs' / 'bucket' / 'jobs/small/output/ckpt_0/a.ckpt')!r})\n"
        "for _ in range(200):\n    if seen.exists(): break\n    time.sleep(0.05)\n"
        "else:\n    sys.exit(9)\n(out / 'last').write_text('at the end')\n"
    )
    assert bench.prepare(script).run() == 0
    assert bench.output("last") == b"at the end"


def test_earlier_output_is_predownloaded_when_declared(bench: Bench) -> None:
    bench.store.pipe_file("obs://bucket/jobs/small/output/ckpt_0/a.ckpt", b"earlier")
    script = TELL + "\nprint('found', (out / 'ckpt_0' / 'a.ckpt').exists())"
    bench.prepare(script).run()
    bench.prepare(script, outputs={"train_url": {"url": "${job_dir}/output/"}}).run()
    said = [line for line in bench.lines if line.startswith("found")]
    assert said == ["found True\n", "found False\n"]


def test_output_written_before_a_crash_is_carried_out(bench: Bench) -> None:
    assert bench.prepare(TELL + "\nos._exit(5)", {"sync_period_s": 60.0}).run() == 5
    assert bench.facts()["cwd"]


def test_missing_input_fails_before_anything_starts(bench: Bench) -> None:
    run = bench.prepare(TELL, inputs=INPUT)
    with pytest.raises(DataError, match="data_url: obs://bucket/coco/: not found"):
        run.run()
    assert run.state.phase == "Failed"
    assert run.state.starts == 0


def test_output_that_cannot_be_written_fails_the_job(bench: Bench) -> None:
    script = TELL + f"\nimport shutil\nshutil.rmtree({str(bench.folder / 'obs' / 'bucket')!r})"
    run = bench.prepare(script, {"sync_period_s": 60.0})
    with pytest.raises(obs_sync.ObsSyncError, match="no such bucket"):
        run.run()
    assert run.state.phase == "Failed"


def test_done_container_goes_and_its_log_stays(bench: Bench) -> None:
    run = bench.prepare(TELL, {"keep": False})
    run.run()
    assert not run.container.root.exists()
    assert "rank 0 was here" in Path(run.state.log_file).read_text()
