"""Kills a process that publishes indexes, at random moments, and checks what it leaves behind.

    python -m tests.crash.index --kills 200

The writer builds, saves and publishes one index after another: a new directory each time, and a
pointer file that is replaced as a whole. Whenever it dies, the pointer must name an index that
loads and holds exactly the vectors of its generation, no published generation may be lost, and
nothing but ``.tmp-*`` entries may be left over. A reader checks the same while the writer runs.

A second writer does the same in place, without the rename. The harness is worth something only
as long as it catches that one.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mlcore.config import FloatMatrix, IdVector
from mlcore.errors import ContextVisionError
from mlcore.index import TEMPORARY_PREFIX, VectorIndex, remove_stale_builds

FINGERPRINT = "crash-test"
POINTER = "active.json"
COUNT, DIM = 2_000, 64
LONGEST_RUN_SECONDS = 0.35
"""A writer publishes some times within this, so kills fall on every step of it."""


def gallery_of(generation: int) -> tuple[IdVector, FloatMatrix]:
    """Return the ids and vectors that the index of a generation must hold."""
    generator = np.random.default_rng(generation)
    vectors = generator.standard_normal((COUNT, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.arange(generation, generation + COUNT, dtype=np.int64), vectors


def index_of(generation: int) -> VectorIndex:
    ids, vectors = gallery_of(generation)
    return VectorIndex.build(ids, vectors, fingerprint=FINGERPRINT, watermark=generation)


# The two writers


def write_beside(root: Path, generation: int) -> str:
    """Save as the product does, under a name of its own."""
    name = uuid.uuid4().hex
    index_of(generation).save(root / name)
    return name


def write_in_place(root: Path, generation: int) -> str:
    """Save the same files over the last ones: what the product must not do."""
    index = index_of(generation)
    place = root / "live"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    index._write_files(place, {})
    return place.name


WRITERS: dict[str, Callable[[Path, int], str]] = {
    "beside": write_beside,
    "in-place": write_in_place,
}


def publish(root: Path, name: str, generation: int) -> None:
    draft = root / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    with draft.open("w") as stream:
        json.dump({"name": name, "generation": generation}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(root / POINTER)


def write_forever(root: Path, writer: str) -> None:
    """Publish generation after generation, telling each on standard output once it is out."""
    generation = json.loads((root / POINTER).read_text())["generation"]
    while True:
        generation += 1
        publish(root, WRITERS[writer](root, generation), generation)
        tell(str(generation))


# The checker


def violations(root: Path, acknowledged: int) -> list[str]:
    """Return what is wrong in ``root`` after a kill, in sentences."""
    found = violations_of_active(root, acknowledged)
    for entry in root.iterdir():
        if entry.name == POINTER or entry.name.startswith(TEMPORARY_PREFIX):
            continue
        try:
            VectorIndex.load(entry, fingerprint=FINGERPRINT)
        except ContextVisionError as error:
            found.append(f"debris under a real name: {error}")
    return found


def violations_of_active(root: Path, acknowledged: int) -> list[str]:
    """Return what is wrong with the index that the pointer names."""
    try:
        pointer = json.loads((root / POINTER).read_text())
        generation = pointer["generation"]
        index = VectorIndex.load(root / pointer["name"], fingerprint=FINGERPRINT)
    except (ContextVisionError, OSError, ValueError) as error:
        return [f"the active index cannot be read: {error}"]
    found = []
    if generation < acknowledged:
        found.append(f"generation {acknowledged} was published, {generation} is active")
    ids, vectors = gallery_of(generation)
    if index.watermark != generation or not np.array_equal(index.ids, ids):
        found.append(f"the pointer names generation {generation}, the index is another")
    elif not np.array_equal(index.vectors_of(ids), vectors):
        found.append(f"the vectors of generation {generation} are not those that were written")
    elif index.search(vectors[:1], 1)[0][0].image_id != ids[0]:
        found.append(f"a search of generation {generation} does not find its own vector")
    return found


# The killer


@dataclass
class Outcome:
    """What came of a number of kills."""

    kills: int = 0
    published: int = 0
    reads: int = 0
    interrupted_builds: int = 0
    """Kills that left a ``.tmp-*`` entry, so fell into a build or the change of the pointer."""
    broken: int = 0
    """Kills that left something wrong behind."""
    misread: int = 0
    """Kills before which the reader saw something wrong while the writer was still running."""
    examples: list[str] = field(default_factory=list)


def run(root: Path, writer: str, kills: int, seed: int = 1) -> Outcome:
    """Kill ``writer`` that many times in the empty folder ``root``."""
    generator = random.Random(seed)
    outcome = Outcome()
    publish(root, WRITERS[writer](root, 1), 1)
    for _ in range(kills):
        broken = outcome.broken
        _kill_once(root, writer, generator.uniform(0, LONGEST_RUN_SECONDS), outcome)
        if outcome.broken > broken:
            shutil.rmtree(root)
            root.mkdir()
            publish(root, WRITERS[writer](root, 1), 1)
    return outcome


def _kill_once(root: Path, writer: str, after_seconds: float, outcome: Outcome) -> None:
    command = [sys.executable, "-m", "tests.crash.index", "--write", writer, "--root", str(root)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    with process.stdout:
        # The first generation takes longest, for it waits for imports: time runs from there.
        first = process.stdout.readline()
        if not first:
            raise RuntimeError(f"The writer did not start; it ended with {process.wait()}.")
        killer = threading.Timer(after_seconds, process.kill)
        killer.start()
        misread: list[str] = []
        while process.poll() is None:
            misread += violations_of_active(root, int(first))
            outcome.reads += 1
            time.sleep(0.005)  # leaves the processor to the writer
        killer.join()
        if process.returncode != -9:
            raise RuntimeError(f"The writer failed by itself, with {process.returncode}.")
        told = [int(line) for line in [first, *process.stdout] if line.endswith("\n")]
    found = violations(root, max(told))
    debris = remove_stale_builds(root, older_than_seconds=0)
    if any(entry.name.startswith(TEMPORARY_PREFIX) for entry in root.iterdir()):
        found.append("the cleaner left debris behind")
    _drop_superseded(root)
    outcome.kills += 1
    outcome.published += len(told)
    outcome.interrupted_builds += bool(debris)
    outcome.broken += bool(found)
    outcome.misread += bool(misread)
    outcome.examples += found[:1] + misread[:1]


def _drop_superseded(root: Path) -> None:
    active = json.loads((root / POINTER).read_text())["name"]
    for entry in root.iterdir():
        if entry.is_dir() and entry.name != active:
            shutil.rmtree(entry)


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run both writers; return 0 when the product's is never caught and the other one is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="of the product's writer")
    parser.add_argument("--naive-kills", type=int, default=20, help="of the writer in place")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", choices=WRITERS, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_forever(options.root, options.write)
    outcomes = {}
    for writer, kills in (("beside", options.kills), ("in-place", options.naive_kills)):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "indexes"
            root.mkdir()
            outcome = outcomes[writer] = run(root, writer, kills, options.seed)
        tell(
            f"{writer}: {outcome.kills} kills, {outcome.interrupted_builds} of them during a "
            f"build; {outcome.published} indexes published, {outcome.reads} read meanwhile; "
            f"{outcome.broken} kills left something broken, {outcome.misread} were preceded by a "
            "wrong read"
        )
        for example in outcome.examples[:3]:
            tell(f"  {example}")
    return 0 if outcomes["beside"].examples == [] and outcomes["in-place"].broken > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
