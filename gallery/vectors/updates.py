"""Keeps index versions up to date with what is embedded and deleted."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from operator import methodcaller

import numpy as np
from django.conf import settings
from django.db.models import F

from gallery.models import (
    ImageEmbedding,
    IndexVersion,
    ModelVersion,
    SentenceReading,
    SquareEmbedding,
)
from gallery.vectors.base import IndexStore
from gallery.vectors.errors import VectorStoreError
from gallery.vectors.registry import store_of
from gallery.vectors.squares import record_ids
from mlcore.errors import IndexMismatchError

logger = logging.getLogger(__name__)

SENT_AT_ONCE = 1_000
"""New pictures taken in together; 1,000 vectors of 512 are 2 MB."""


def sync(model: ModelVersion | None = None) -> None:
    """Let kept versions, of one model or of all, take in what was embedded since.

    One that cannot do so now stays behind, which its row remembers; workers try again.
    """
    rows = IndexVersion.objects.select_related("model_version")
    for index in rows if model is None else rows.of_vectors(model):
        _attempt(index, partial(sync_version, index))


def sync_sentences() -> None:
    """Let kept versions take in what was read of captions and titles since; as :func:`sync`."""
    model = SentenceReading.objects.current()
    if model is None:
        return
    for index in IndexVersion.objects.select_related("model_version", "sentence_model"):
        _attempt(index, methodcaller("sync_sentences", index, model))


def delete(ids: Sequence[int]) -> None:
    """Let kept versions take deleted pictures out.

    One that cannot do so now keeps vectors that no search shows and 'manage.py doctor --repair'
    removes.
    """
    gone = np.array(ids, dtype=np.int64)
    for index in IndexVersion.objects.all():
        _attempt(index, methodcaller("delete", index, gone))


def sync_version(index: IndexVersion, store: IndexStore) -> None:
    """Let one version take in what was embedded since.

    Later rows are sent in the order in which they were committed, so that none is passed over; two
    processes that do so at once write the same twice.
    """
    if not store.follows_rows:
        return
    model, watermark = index.model_version, index.watermark
    while True:
        rows = ImageEmbedding.objects.later_than(model, watermark)
        later = list(rows.values_list("pk", flat=True)[:SENT_AT_ONCE])
        if not later:
            break
        ids, vectors, _ = rows.filter(pk__in=later).matrix()
        if len(ids):  # or all were deleted between the two reads
            store.add(index, ids, vectors)
        IndexVersion.objects.filter(pk=index.pk, watermark__lte=watermark).update(
            watermark=later[-1], count=F("count") + len(ids)
        )
        watermark = later[-1]
    if settings.CONTEXTVISION_SQUARES:
        _sync_squares(index, store)


def _sync_squares(index: IndexVersion, store: IndexStore) -> None:
    """Let a version take in the squares that came since; as :func:`sync_version`."""
    model, watermark = index.model_version, index.square_watermark
    while True:
        rows = SquareEmbedding.objects.later_than(model, watermark)
        later = list(rows.values_list("pk", flat=True)[:SENT_AT_ONCE])
        if not later:
            return
        ids, vectors, _ = rows.filter(pk__in=later).matrix(model.dim)
        if len(ids):
            store.add(index, record_ids(ids), vectors)
        IndexVersion.objects.filter(pk=index.pk, square_watermark__lte=watermark).update(
            square_watermark=later[-1], square_count=F("square_count") + len(ids)
        )
        watermark = later[-1]


def _attempt(index: IndexVersion, work: Callable[[IndexStore], None]) -> None:
    try:
        work(store_of(index))
    except (VectorStoreError, IndexMismatchError) as error:
        logger.warning("%s was not brought up to date: %s", index, error)
