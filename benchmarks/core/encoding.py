"""Pictures and sentences to vectors: CLIP and the starter beside their usual runtimes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeAlias

from benchmarks.core import peers
from benchmarks.harness.measure import (
    Bar,
    Conditions,
    Measurement,
    Result,
    median_ms,
    part_of,
    per_second,
    side_by_side,
)
from benchmarks.harness.new_process import in_new_process
from benchmarks.harness.photos import Photos
from mlcore.config import FloatMatrix
from mlcore.encoders import STARTER, Encoder, load_encoder
from mlcore.errors import ImageRejectedError
from mlcore.imaging.sandbox import get_decoder

BATCH = 32
"""Pictures at a time, as when a gallery is embedded."""
BATCHES = 2
"""In each round."""
SINGLES = 16
"""Queries in each round, one after the other."""


class Peer(Protocol):
    """Encodes from the bytes of files and from sentences."""

    name: str

    def images(self, files: Sequence[bytes]) -> FloatMatrix: ...

    def texts(self, texts: Sequence[str]) -> FloatMatrix: ...


_Figure: TypeAlias = Callable[[Peer, Photos, int], float]
"""Measures somebody on the pictures or sentences of a round."""


class Ours:
    """The way of the product: limited processes decode, a compiled network encodes."""

    name = "ContextVision"

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def images(self, files: Sequence[bytes]) -> FloatMatrix:
        """Return unit rows."""
        named = ((f"picture {number}", data) for number, data in enumerate(files))
        squares = []
        for square in get_decoder().squares(named, side=self.encoder.image_size):
            if isinstance(square, ImageRejectedError):
                raise square
            squares.append(square)
        return self.encoder.encode_images(squares)

    def texts(self, texts: Sequence[str]) -> FloatMatrix:
        """Return unit rows."""
        return self.encoder.encode_texts(texts)


def clip_folder(conditions: Conditions) -> str:
    """Return the reference of the CLIP to measure, made at the first call where none is given."""
    if conditions.clip:
        return conditions.clip
    folder = conditions.scratch / "vit-b-32"
    if not folder.exists():
        making = conditions.scratch / "vit-b-32.tmp"
        shutil.rmtree(making, ignore_errors=True)
        peers.write_vit_b32(making, conditions.photos.sentences).rename(folder)
    return str(folder)


def about_clip(conditions: Conditions) -> str:
    """Say in the report what CLIP it is."""
    return conditions.clip or "ViT-B/32 at its true size with random weights"


def _clip(conditions: Conditions) -> Iterator[Result]:
    folder = clip_folder(conditions)
    ours = Ours(load_encoder(folder))
    plain = peers.PlainTransformers(folder)
    note = f"{about_clip(conditions)}; {ours.encoder.runtime}"
    yield _compared(
        "clip_image_throughput", _pictures, ours, plain, conditions,
        "pictures/s", Bar("ratio", "least", 2.5), note,
    )  # fmt: skip
    yield _compared(
        "clip_image_single", _picture, ours, plain, conditions,
        "ms", Bar("ratio", "most", 0.3), note,
    )  # fmt: skip
    yield _compared(
        "clip_text_single", _sentence, ours, plain, conditions,
        "ms", Bar("ratio", "most", 0.35), f"{note}; the peer pads to 77 tokens",
    )  # fmt: skip
    other = peers.SentenceTransformersClip(folder)
    yield _compared(
        "clip_image_throughput_st", _pictures, ours, other, conditions, "pictures/s", None, note
    )
    yield _compared("clip_text_single_st", _sentence, ours, other, conditions, "ms", None, note)


def _starter_pictures(conditions: Conditions) -> Iterator[Result]:
    ours = Ours(load_encoder(STARTER))
    eager = peers.EagerStarter()
    note = ours.encoder.runtime
    yield _compared(
        "starter_image_throughput", _pictures, ours, eager, conditions,
        "pictures/s", Bar("ours", "least", 100), note,
    )  # fmt: skip
    yield _compared("starter_image_single", _picture, ours, eager, conditions, "ms", None, note)


def _starter_sentences(conditions: Conditions) -> Iterator[Result]:
    ours = Ours(load_encoder(STARTER))
    eager = peers.EagerStarter()
    note = ours.encoder.runtime
    yield _compared(
        "starter_text_single", _sentence, ours, eager, conditions,
        "ms", Bar("ours", "most", 4), note,
    )  # fmt: skip


def _loading(conditions: Conditions) -> Iterator[Result]:
    """Time to load in a process of its own, whose files were read before by the warm-up round."""
    folder = clip_folder(conditions)
    ours = f"from mlcore.encoders import load_encoder; loaded = load_encoder({folder!r})"
    plain = f"from benchmarks.core import peers; loaded = peers.PlainTransformers({folder!r})"
    rounds = max(1, conditions.rounds // 2)
    mine, theirs = side_by_side(
        lambda _: in_new_process(ours).seconds, lambda _: in_new_process(plain).seconds, rounds
    )
    yield Result(
        "model_load", mine, "s", theirs, peers.PlainTransformers.name, Bar("ours", "most", 3),
        f"{about_clip(conditions)}; imports included; compiled by an earlier load",
    )  # fmt: skip


def _compared(
    name: str,
    figure: _Figure,
    ours: Peer,
    peer: Peer,
    conditions: Conditions,
    unit: str,
    bar: Bar | None,
    note: str,
) -> Result:
    mine, theirs = side_by_side(
        lambda number: figure(ours, conditions.photos, number),
        lambda number: figure(peer, conditions.photos, number),
        conditions.rounds,
    )
    return Result(name, mine, unit, theirs, peer.name, bar, note)


def _pictures(who: Peer, photos: Photos, number: int) -> float:
    count = min(BATCH * BATCHES, len(photos.records))
    chosen = part_of(photos.records, number, count)

    def run() -> None:
        for start in range(0, len(chosen), BATCH):
            who.images([record.read() for record in chosen[start : start + BATCH]])

    return per_second(len(chosen), run)


def _picture(who: Peer, photos: Photos, number: int) -> float:
    count = min(SINGLES, len(photos.records))
    files = [record.read() for record in part_of(photos.records, number, count)]
    return median_ms(files, lambda data: who.images([data]))


def _sentence(who: Peer, photos: Photos, number: int) -> float:
    return median_ms(
        part_of(photos.sentences, number, SINGLES), lambda sentence: who.texts([sentence])
    )


MEASUREMENTS = (
    Measurement(
        (
            "clip_image_throughput", "clip_image_single", "clip_text_single",
            "clip_image_throughput_st", "clip_text_single_st",
        ),
        _clip,
    ),
    Measurement(("starter_image_throughput", "starter_image_single"), _starter_pictures),
    Measurement(("starter_text_single",), _starter_sentences),
    Measurement(("model_load",), _loading),
)  # fmt: skip
