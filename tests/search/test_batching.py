"""Encoding together what is asked together: order, bounds, faults, fairness."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mlcore.config import FloatMatrix
from search.batching import Batcher, BusyError


def rows(items: Sequence[int]) -> FloatMatrix:
    return np.array([[item, item + 0.5] for item in items], dtype=np.float32)


class Gate:
    """An encoder that waits until it is let go, and keeps what it was given."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.calls: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> FloatMatrix:
        self.calls.append(list(items))
        self.entered.set()
        assert self.open.wait(10)
        return rows(items)


def test_one_request_is_encoded_at_once() -> None:
    batcher = Batcher(rows)
    assert np.array_equal(batcher([3, 4]), rows([3, 4]))
    assert (batcher.batches, batcher.encoded) == (1, 2)


def test_what_arrives_meanwhile_is_one_batch_oldest_first() -> None:
    gate = Gate()
    batcher = Batcher(gate, size=4)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(batcher, [0])]
        assert gate.entered.wait(5)
        for number in range(1, 7):
            futures.append(pool.submit(batcher, [number]))
            wait_until(lambda number=number: len(batcher._waiting) == number)
        gate.open.set()
        answers = [future.result(5) for future in futures]
    assert gate.calls == [[0], [1, 2, 3, 4], [5, 6]]
    assert [answer.tolist() for answer in answers] == [rows([n]).tolist() for n in range(7)]


def test_everybody_gets_their_own_vectors_under_load() -> None:
    def slow(items: Sequence[int]) -> FloatMatrix:
        time.sleep(0.001)
        return rows(items)

    batcher = Batcher(slow, queue=100)
    asked = [[n, n + 1000] if n % 3 else [n] for n in range(400)]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(batcher, asked))
    assert all(
        np.array_equal(answer, rows(items)) for answer, items in zip(answers, asked, strict=True)
    )
    assert batcher.batches < len(asked) / 3


def test_a_full_queue_refuses_at_once() -> None:
    gate = Gate()
    batcher = Batcher(gate, queue=2)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batcher, [0])
        assert gate.entered.wait(5)
        waiting = [pool.submit(batcher, [n]) for n in (1, 2)]
        wait_until(lambda: len(batcher._waiting) == 2)
        began = time.monotonic()
        with pytest.raises(BusyError, match="try again"):
            batcher([3])
        assert time.monotonic() - began < 0.5
        gate.open.set()
        assert [future.result(5).tolist() for future in [first, *waiting]] == [
            rows([n]).tolist() for n in range(3)
        ]


def test_who_waits_past_the_deadline_is_refused_and_not_encoded() -> None:
    gate = Gate()
    batcher = Batcher(gate, deadline=0.05)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batcher, [0])
        assert gate.entered.wait(5)
        with pytest.raises(BusyError):
            batcher([1])
        gate.open.set()
        first.result(5)
    assert np.array_equal(batcher([2]), rows([2]))
    assert gate.calls == [[0], [2]]


def test_a_fault_reaches_everybody_of_its_batch_and_nobody_else() -> None:
    gate = Gate()

    def encode(items: Sequence[int]) -> FloatMatrix:
        gate(items)
        if 2 in items:
            raise ValueError("two cannot be encoded")
        return rows(items)

    batcher = Batcher(encode, size=3)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(batcher, [0])]
        assert gate.entered.wait(5)
        for number in range(1, 6):
            futures.append(pool.submit(batcher, [number]))
            wait_until(lambda number=number: len(batcher._waiting) == number)
        gate.open.set()
        faults = [future.exception(5) for future in futures]
    assert [isinstance(fault, ValueError) for fault in faults] == [
        False, True, True, True, False, False,
    ]  # fmt: skip
    assert np.array_equal(batcher([9]), rows([9]))


def wait_until(condition: object) -> None:
    assert callable(condition)
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)
