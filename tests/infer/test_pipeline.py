"""The pipeline's order, bounds, overlap and errors, on items that are plain words."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from src.infer.pipeline import PipelineLimits, Skip, run_pipeline

ITEMS = [f"{'ab'[i % 3 == 0]}{i}" for i in range(40)]


class Probe:
    """Stages that note what runs at once and how many items are between reading and the end."""

    def __init__(self, slow: str = "", seconds: float = 0.0) -> None:
        self.slow, self.seconds = slow, seconds
        self.lock = threading.Lock()
        self.inside = self.most_inside = 0
        self.running: set[str] = set()
        self.together: set[frozenset[str]] = set()
        self.batches: list[list[str]] = []

    def work(self, stage: str) -> None:
        with self.lock:
            self.running.add(stage)
            self.together.add(frozenset(self.running))
        time.sleep(self.seconds if stage == self.slow else 0.002)
        with self.lock:
            self.running.discard(stage)

    def read(self, item: str) -> str | Skip[str]:
        with self.lock:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        self.work("read")
        return Skip(f"no {item}") if item.endswith("7") else item

    def forward(self, batch: Sequence[str]) -> list[str]:
        self.work("network")
        self.batches.append(list(batch))
        return [one.upper() for one in batch]

    def finish(self, item: str, made: str) -> str:
        self.work("finish")
        return f"{item}{made}"


def run(probe: Probe, limits: PipelineLimits, items: Sequence[str] = ITEMS) -> list[str]:
    results = []
    for result in run_pipeline(items, probe.read, lambda item: item[0], probe.forward, probe.finish, limits):
        results.append(result)
        probe.inside -= 1
    return results


def expected(item: str) -> str:
    return f"no {item}" if item.endswith("7") else f"{item}{item.upper()}"


@pytest.mark.parametrize(
    "limits",
    [PipelineLimits(), PipelineLimits(1, 1), PipelineLimits(4, 4), PipelineLimits(2, 3, 4), PipelineLimits(1, 1, 100)],
)
def test_every_item_has_its_own_result_once(limits: PipelineLimits) -> None:
    assert sorted(run(Probe(), limits)) == sorted(map(expected, ITEMS))


def test_single_items_come_in_order() -> None:
    assert run(Probe(), PipelineLimits(3, 3, 1)) == list(map(expected, ITEMS))


def test_batches_hold_one_kind_and_are_full_but_for_few() -> None:
    probe = Probe()
    run(probe, PipelineLimits(2, 2, 4))
    assert all(len({item[0] for item in batch}) == 1 for batch in probe.batches)
    assert sum(len(batch) < 4 for batch in probe.batches) <= 2
    assert max(map(len, probe.batches)) == 4


def test_rare_kinds_do_not_make_others_wait_for_ever() -> None:
    probe = Probe()
    items = ["z0", *(f"{kind}{i}" for i in range(30) for kind in "abcdefgh")]
    run(probe, PipelineLimits(2, 2, 4), items)
    position = next(i for i, batch in enumerate(probe.batches) if batch == ["z0"])
    assert position < 3, "the oldest goes when too many wait"


@pytest.mark.parametrize("slow", ["read", "network", "finish"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_space_is_bounded_whichever_stage_is_slow(slow: str, batch_size: int) -> None:
    limits = PipelineLimits(2, 2, batch_size)
    probe = Probe(slow, 0.004)
    run(probe, limits, [f"a{i}" for i in range(150)])
    assert probe.most_inside <= limits.ahead + limits.held + 2 * limits.batch_size + limits.behind + 1


def test_all_stages_run_at_the_same_time() -> None:
    probe = Probe("network", 0.01)
    run(probe, PipelineLimits(2, 2))
    assert {"read", "network", "finish"} in probe.together


def test_the_network_has_one_thread_the_callers() -> None:
    seen = set()

    def forward(batch: Sequence[str]) -> list[str]:
        seen.add(threading.get_ident())
        return list(batch)

    list(run_pipeline(ITEMS, str, len, forward, lambda a, b: a, PipelineLimits(2, 2, 3)))
    assert seen == {threading.get_ident()}


@pytest.mark.parametrize("stage", ["read", "forward", "finish"])
def test_an_error_of_any_stage_is_raised_and_ends_the_work(stage: str) -> None:
    probe = Probe()
    reads = []

    def fail(*_: object) -> None:
        raise RuntimeError(f"{stage} failed")

    def read(item: str) -> str | Skip[str]:
        reads.append(item)
        return probe.read(item)

    stages = {"read": read, "forward": probe.forward, "finish": probe.finish, stage: fail}
    before = threading.active_count()
    with pytest.raises(RuntimeError, match=f"{stage} failed"):
        list(
            run_pipeline(
                [f"a{i}" for i in range(1000)],
                stages["read"],
                lambda item: item[0],
                stages["forward"],
                stages["finish"],
                PipelineLimits(2, 2),
            )
        )
    assert len(reads) < 50
    assert threading.active_count() == before


def test_leaving_early_stops_the_threads() -> None:
    before = threading.active_count()
    results = run_pipeline(ITEMS, str, len, list, lambda a, b: a, PipelineLimits(2, 2))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_items_are_taken_only_as_they_are_needed() -> None:
    taken = []

    def endless() -> object:
        for i in range(10**9):
            taken.append(i)
            yield f"a{i}"

    results = run_pipeline(endless(), str, len, list, lambda a, b: a, PipelineLimits(2, 2))  # type: ignore[arg-type]
    for _ in range(5):
        next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(taken) < 20
