"""The simulated queue loses nothing and does nothing twice, whatever happens to its workers."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.documented import documents
from tests.services import REPOSITORY
from tools.scaling.fleet import HEARTBEAT, LEASE, Fleet, Outcome, Setting
from tools.scaling.simulate import bill_table, play, time_table

ROUGH = Setting(workers=7, pictures=600_001, life=200.0, hanging=0.4, hang=150.0, replace=20.0)
"""Workers live for about eight chunks, and four in ten come back from the dead."""
NEVER = 1e15


def assert_conserved(run: Outcome) -> None:
    """Every chunk was finished once, and every picture has one vector."""
    chunks = math.ceil(run.setting.pictures / run.setting.chunk)
    assert sorted(run.finished) == list(range(chunks))
    assert run.rows == run.setting.pictures
    assert run.begun >= run.rows + run.ignored
    # What waits is bounded: what is planned ahead, and what the workers had when they were lost.
    assert run.longest_queue <= (run.setting.ahead + 1) * run.setting.workers


@pytest.mark.parametrize("seed", range(8))
def test_no_chunk_is_lost_and_none_is_doubled_while_workers_die_and_come_back(seed: int) -> None:
    run = Fleet(ROUGH, seed).run()
    assert_conserved(run)
    assert run.deaths > 5, "else nothing was tried"
    assert run.hangs > 5
    assert run.taken_up >= run.deaths
    assert run.disowned > 0


@settings(deadline=None, max_examples=150)
@given(
    workers=st.integers(1, 9),
    pictures=st.integers(1, 9_000),
    chunk=st.integers(20, 1_024),
    batch=st.integers(1, 256),
    life=st.floats(60, 5_000),
    hanging=st.floats(0, 1),
    hang=st.floats(1, 600),
    writers=st.integers(1, 3),
    seed=st.integers(0, 10_000),
)
def test_for_any_fleet(seed: int, **options: Any) -> None:
    assert_conserved(Fleet(Setting(**options), seed).run())


class ForgetsTheConstraint(Fleet):
    """Rows that are there already are stored once more."""

    def _stored(self, worker: Any, number: int, token: int, batches: tuple[int, ...]) -> None:
        chunk = self._chunks.get(number)
        if chunk is not None:
            chunk.stored &= ~(1 << batches[0])
        super()._stored(worker, number, token, batches)


class ForgetsTheToken(Fleet):
    """Whoever comes to the end of a chunk marks it, whosever it is meanwhile."""

    def _finish(self, worker: Any, number: int, token: int) -> None:
        self.out.finished.append(number)
        self._chunks.pop(number, None)
        self._take(worker)


@pytest.mark.parametrize("fleet", [ForgetsTheConstraint, ForgetsTheToken])
def test_the_check_sees_what_it_is_for(fleet: type[Fleet]) -> None:
    def fails(seed: int) -> bool:
        try:
            assert_conserved(fleet(ROUGH, seed).run())
        except (AssertionError, KeyError):
            return True
        return False

    assert any(fails(seed) for seed in range(8))


def test_without_leases_chunks_would_be_lost() -> None:
    class ForgetsTheLease(Fleet):
        def _lease_ended(self, number: int, token: int) -> None:
            pass

    with pytest.raises(IndexError):  # nothing is left to happen, and chunks are missing
        ForgetsTheLease(replace(ROUGH, hanging=0.0, pictures=6_000_000), 0).run()


def test_one_worker_takes_as_long_as_can_be_worked_out() -> None:
    setting = Setting(workers=1, pictures=3 * 1_024, life=NEVER)
    batch = 256 / 8 * 0.030 + 256 * 0.020 + 0.029 + 256 * 0.0001
    assert Fleet(setting).run().seconds == pytest.approx(3 * (0.008 + 4 * batch))


@pytest.mark.parametrize("batch", [32, 256])
def test_the_writer_is_the_limit_of_a_large_fleet(batch: int) -> None:
    run = Fleet(Setting(workers=400, pictures=400 * 4_096, batch=batch, life=NEVER)).run()
    assert run.rate == pytest.approx(batch / (0.029 + 0.0001 * batch), rel=0.05)
    assert run.load > 0.95


def test_a_lost_chunk_waits_for_its_lease_and_not_much_longer() -> None:
    calm = Setting(workers=2, pictures=40 * 1_024, life=NEVER)
    lost = replace(calm, life=900.0, hanging=0.0, replace=NEVER)
    runs = (Fleet(lost, seed).run() for seed in range(50))
    alone = next(run for run in runs if run.deaths == 1)
    longest = Fleet(replace(calm, workers=1)).run().seconds + LEASE + HEARTBEAT
    assert Fleet(calm).run().seconds < alone.seconds < longest


def test_a_run_can_be_repeated() -> None:
    assert Fleet(ROUGH, 3).run() == Fleet(ROUGH, 3).run()
    assert Fleet(ROUGH, 3).run() != Fleet(ROUGH, 5).run()


@pytest.mark.parametrize("table", [time_table, bill_table])
def test_the_page_shows_what_the_command_says(table: Callable[..., Any]) -> None:
    page = documents()[REPOSITORY / "docs" / "scaling.md"]
    pictures = 1_000_000
    grid = {(pictures, workers): play(Setting(workers, pictures)) for workers in (1, 10, 100)}
    for line in table(grid):
        assert line in page
