"""Ways in which bytes are damaged, and the account of what came of that many of them."""

import argparse
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path


def damaged(data: bytes, source: random.Random, others: Sequence[bytes]) -> bytes:
    """Damage bytes once or several times; ``others`` may be grafted onto them."""
    result = bytearray(data)
    for _ in range(source.choice((1, 1, 1, 2, 8))):
        damage = source.choice(_DAMAGES)
        if damage is _graft:
            _graft(result, source, source.choice(others))
        else:
            damage(result, source)
    return bytes(result)


def _flip(data: bytearray, source: random.Random) -> None:
    if data:
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)


def _overwrite(data: bytearray, source: random.Random) -> None:
    at = source.randrange(len(data) + 1)
    data[at : at + 4] = source.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"))


def _cut(data: bytearray, source: random.Random) -> None:
    del data[source.randrange(len(data) + 1) :]


def _remove(data: bytearray, source: random.Random) -> None:
    at = source.randrange(len(data) + 1)
    del data[at : at + source.randint(1, 40)]


def _repeat(data: bytearray, source: random.Random) -> None:
    at = source.randrange(len(data) + 1)
    data[at:at] = data[at : at + source.randint(1, 200)] * source.randint(1, 5)


def _graft(data: bytearray, source: random.Random, other: bytes = b"") -> None:
    at = source.randrange(len(data) + 1)
    data[at:] = other[source.randrange(len(other) + 1) :]


_DAMAGES: tuple[Callable[..., None], ...] = (
    _flip, _flip, _flip, _overwrite, _overwrite, _cut, _remove, _repeat, _graft,
)  # fmt: skip

Case = tuple[str, Callable[[], str], bool]
"""What was damaged, what tells how it went, and whether its time is this process's own."""


def options(doc: str | None, arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--n", type=int, default=20_000, help="how many damaged files")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same files")
    return parser.parse_args(arguments)


def run(cases: Iterable[Case], count: int, seed: int) -> int:
    """Try all cases, tell what came of them, and return 1 if anything went wrong."""
    outcomes = Counter[str]()
    kinds = Counter[str]()
    slowest, memory = 0.0, 0
    started = time.perf_counter()
    for at, (name, attempt, is_own) in enumerate(cases):
        kinds[name] += 1
        began = time.process_time()
        try:
            outcomes[attempt()] += 1
        except Exception as error:
            outcomes["wrong"] += 1
            print(f"number {at}, {name}: {error!r}", file=sys.stderr)  # noqa: T201
        if is_own:
            slowest = max(slowest, time.process_time() - began)
        if at and at % 20_000 == 0:
            print(f"{at} so far: {dict(outcomes)}", file=sys.stderr)  # noqa: T201
        if at == min(1_000, count // 2):
            memory = _kilobytes()
    grown = (_kilobytes() - memory) / 1024
    told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
    made_from = ", ".join(f"{name} {number}" for name, number in sorted(kinds.items()))
    rate = count / (time.perf_counter() - started)
    print(  # noqa: T201
        f"{count} files, seed {seed}: {told}; {outcomes['wrong']} wrong; slowest {slowest:.3f} s, "
        f"memory grew by {grown:.0f} MB, {rate:.0f} files/s\nmade from: {made_from}"
    )
    return 1 if outcomes["wrong"] or slowest > 1 or grown > 50 else 0


def _kilobytes() -> int:
    """What this process has in memory now: one large picture may take much of it, for a moment."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(status.read_text().split("VmRSS:")[1].split()[0])
