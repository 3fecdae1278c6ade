"""One chunk of pictures: read, decode, encode, store."""

import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from PIL.Image import Image as PillowImage

from gallery.models import EmbeddingChunk, Failure, Image, ImageEmbedding, SquareEmbedding
from gallery.models.square import ENDS
from gallery.storage import READERS, StorageUnavailableError
from gallery.uploads.ingest import upload_limits
from gallery.vectors import updates
from mlcore.config import FloatMatrix
from mlcore.encoders import Encoder
from mlcore.errors import ImageRejectedError
from mlcore.i18n import Message
from mlcore.imaging.sandbox import get_decoder
from mlcore.progress import Progress

BATCH = 32
"""Pictures read and encoded at a time: a full batch for the encoder."""
STORE_AFTER = 10.0
"""Seconds after which what is encoded is stored, though the chunk is not at its end: the most that
is lost with a killed worker, however slow the model."""
OUTAGE_PATIENCE = 600.0
"""Seconds for which a job waits for pictures that are out of reach, before it fails."""
OUTAGE_INTERVAL = 5.0
"""Seconds between two tries meanwhile."""

Originals: TypeAlias = list[tuple[Image, bytes | Message]]
"""Pictures with their files, or with the reason why a file cannot be had."""
Report: TypeAlias = Callable[[Message | None], None]
"""Tells how far the job is, and what holds it up if something does."""


class ChunkLostError(Exception):
    """Another worker has the chunk now, or the job was stopped."""


@dataclass(slots=True)
class _Unstored:
    """What came of the latest pictures of a chunk, to be stored together."""

    last: int = 0
    kept: list[int] = field(default_factory=list)
    vectors: list[FloatMatrix] = field(default_factory=list)
    wide: list[int] = field(default_factory=list)
    """Those of ``kept`` that are looked at in squares at both ends, too."""
    squares: list[FloatMatrix] = field(default_factory=list)
    """(2n, dim): both ends of each of them."""
    failures: list[tuple[Image, Message]] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    @property
    def count(self) -> int:
        return len(self.kept) + len(self.failures)

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self.since >= STORE_AFTER


def embed_chunk(
    chunk: EmbeddingChunk, encoder: Encoder, progress: Progress, report: Report
) -> None:
    """Embed the pictures of a chunk that have no vector yet; give the rest back if told to stop.

    A chunk that a worker died on is done picture by picture, each stored before the next is begun:
    the one at which the next worker dies is then known, and is set aside.

    Raises:
        ChunkLostError: another worker has it now, or the job was stopped.
        StorageUnavailableError: pictures were out of reach for longer than ``OUTAGE_PATIENCE``.
    """
    if chunk.deaths >= chunk.DEADLY:
        _set_first_aside(chunk)
    images = list(chunk.plan.missing_in(chunk))
    size = 1 if chunk.deaths else BATCH
    unstored = _Unstored()
    for start in range(0, len(images), size):
        batch = images[start : start + size]
        originals = None if progress.should_stop() else _read(batch, progress, report)
        if originals is None:
            _store(unstored, chunk)
            chunk.give_back()
            return
        _encode(originals, encoder, unstored)
        unstored.last = batch[-1].pk
        if chunk.deaths or unstored.is_due:
            _store(unstored, chunk)
            unstored = _Unstored()
        elif not chunk.beat(done=unstored.count):
            raise _lost(chunk)
        report(None)
    _store(unstored, chunk)
    chunk.finish()


def _set_first_aside(chunk: EmbeddingChunk) -> None:
    """Note the first picture that is left as the cause of what happened to its workers."""
    culprit = chunk.plan.missing_in(chunk).first()
    if culprit is None:
        return
    with transaction.atomic():
        Failure.objects.set_aside(
            Failure.Stage.EMBED,
            _item(culprit),
            Message.of("failure.workers_lost", deaths=chunk.deaths),
            job=chunk.plan.job,
            image=culprit,
        )
        chunk.settle(culprit.pk, embedded=0, failed=1)


def _read(images: Sequence[Image], progress: Progress, report: Report) -> Originals | None:
    """Read files once they are within reach; return nothing where the job is to stop meanwhile."""
    until = time.monotonic() + OUTAGE_PATIENCE
    while True:
        try:
            with ThreadPoolExecutor(READERS) as readers:
                return list(zip(images, readers.map(_read_original, images), strict=True))
        except StorageUnavailableError:
            if time.monotonic() >= until:
                raise
        report(Message("stage.out_of_reach"))
        if progress.should_stop():
            return None
        time.sleep(OUTAGE_INTERVAL)


def _read_original(image: Image) -> bytes | Message:
    """Read a file, or say why this one cannot be had.

    A vector is known by the picture's hash, so it is made from those bytes and no others.
    """
    try:
        with default_storage.open(str(image.file)) as handle:
            data: bytes = handle.read()
    except OSError as error:
        return Message.of("failure.original_unreadable", why=error.strerror or str(error))
    if hashlib.sha256(data).hexdigest() != image.sha256:
        return Message("failure.original_changed")
    return data


def _encode(originals: Originals, encoder: Encoder, unstored: _Unstored) -> None:
    readable: list[tuple[Image, bytes]] = []
    for image, data in originals:
        if isinstance(data, Message):
            unstored.failures.append((image, data))
        else:
            readable.append((image, data))
    squares = get_decoder().squares(
        ((image.title or str(image.pk), data) for image, data in readable),
        side=encoder.image_size,
        limits=upload_limits(),
    )
    ends = _ends(readable, encoder)
    good: list[PillowImage] = []
    at_ends: list[PillowImage] = []
    for (image, _), square in zip(readable, squares, strict=True):
        pair = ends.get(image.pk, [])
        if isinstance(square, ImageRejectedError):
            unstored.failures.append((image, square.reason))
        elif isinstance(pair, ImageRejectedError):
            unstored.failures.append((image, pair.reason))
        else:
            unstored.kept.append(image.pk)
            good.append(square)
            if pair:
                unstored.wide.append(image.pk)
                at_ends += pair
    if good:
        unstored.vectors.append(encoder.encode_images(good))
    if at_ends:
        unstored.squares.append(encoder.encode_images(at_ends))


def _ends(
    readable: Sequence[tuple[Image, bytes]], encoder: Encoder
) -> dict[int, list[PillowImage] | ImageRejectedError]:
    """Cut the squares at both ends of those that are wide or tall, by id."""
    wide = [(image, data) for image, data in readable if image.is_wide]
    if not settings.CONTEXTVISION_SQUARES or not wide:
        return {}
    cut = get_decoder().ends(
        ((image.title or str(image.pk), data) for image, data in wide),
        side=encoder.image_size,
        limits=upload_limits(),
    )
    return {image.pk: ends for (image, _), ends in zip(wide, cut, strict=True)}


def _store(unstored: _Unstored, chunk: EmbeddingChunk) -> None:
    """Keep the vectors, note the failures, and count both, all of it or nothing.

    Raises:
        ChunkLostError: another worker has the chunk now; nothing is kept.
    """
    if not unstored.count:
        return
    version, stage = chunk.plan.model_version, Failure.Stage.EMBED
    with transaction.atomic():
        embedded = 0
        if unstored.kept:
            vectors = np.concatenate(unstored.vectors)
            embedded = ImageEmbedding.objects.store(version, unstored.kept, vectors)
            if unstored.wide:
                squares = np.concatenate(unstored.squares).reshape(len(unstored.wide), ENDS, -1)
                SquareEmbedding.objects.store(version, unstored.wide, squares)
            transaction.on_commit(partial(updates.sync, version))
            Failure.objects.filter(stage=stage, image_id__in=unstored.kept).delete()
        failures = _of_present(unstored.failures)
        for image, reason in failures:
            Failure.objects.record(stage, _item(image), reason, job=chunk.plan.job, image=image)
        failed = len(failures)
        if not chunk.settle(unstored.last, embedded=embedded, failed=failed):
            raise _lost(chunk)


def _of_present(failures: Sequence[tuple[Image, Message]]) -> list[tuple[Image, Message]]:
    """Leave out pictures that were deleted meanwhile, which is why their files cannot be read; the
    others are locked against deletion until the transaction ends."""
    rows = Image.objects.select_for_update(no_key=True).order_by("pk")
    present = set(
        rows.filter(pk__in=[image.pk for image, _ in failures]).values_list("pk", flat=True)
    )
    return [(image, reason) for image, reason in failures if image.pk in present]


def _item(image: Image) -> str:
    return f"Picture {image.pk}"


def _lost(chunk: EmbeddingChunk) -> ChunkLostError:
    return ChunkLostError(f"{chunk} is no longer this worker's.")
