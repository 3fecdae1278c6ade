"""Stored vectors: those of pictures, and those of what is said of them."""

from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from gallery.models import (
    Image,
    ImageEmbedding,
    ModelVersion,
    SentenceChange,
    SentenceEmbedding,
    SentenceReading,
    SquareEmbedding,
)
from gallery.models.sentence import sentences_of
from gallery.models.vectors import checksum, is_sound
from gallery.pipelines.doctor.findings import Examination, Finding, Step
from gallery.pipelines.embedding import embed
from gallery.pipelines.sentences import read_first
from gallery.selectors import working_model
from mlcore.i18n import Message

BATCH = 1_000
"""Vectors read together; 1,000 of 512 are 2 MB."""
PICTURES = 200
"""Pictures whose captions are looked at together."""
WAITS = timedelta(hours=1)
"""A picture that came later may still wait for its vector."""


def check_vectors(examination: Examination, after: int) -> Iterator[Step]:
    """Look for vectors of pictures that are damaged, and for pictures that have none."""
    models = {model.pk: model for model in ModelVersion.objects.all()}
    removed: set[int] = set()
    rows = ImageEmbedding.objects.order_by("pk")
    while batch := list(rows.filter(pk__gt=after)[:BATCH]):
        after = batch[-1].pk
        damaged = [
            row
            for row in batch
            if not is_sound(bytes(row.vector), models[row.model_version_id].dim, row.checksum)
        ]
        if examination.repairing:
            ImageEmbedding.objects.filter(pk__in=[row.pk for row in damaged]).delete()
            _keep_checksums(batch, without=damaged)
            removed.update(row.image_id for row in damaged)
        findings = [
            Finding(
                Message.of(
                    "doctor.vector_damaged",
                    id=row.image_id,
                    model=models[row.model_version_id].name,
                ),
                examination.repairing,
            )
            for row in damaged
        ]
        yield Step(after, findings)
    yield Step(after, _missing(examination, removed))


def check_squares(examination: Examination, after: int) -> Iterator[Step]:
    """Look for vectors of the ends of wide pictures that are damaged; those of such a picture are
    made again, all of them."""
    models = {model.pk: model for model in ModelVersion.objects.all()}
    removed: set[int] = set()
    rows = SquareEmbedding.objects.order_by("pk")
    while batch := list(rows.filter(pk__gt=after)[:BATCH]):
        after = batch[-1].pk
        damaged = {
            (row.image_id, row.model_version_id)
            for row in batch
            if not is_sound(bytes(row.vector), models[row.model_version_id].dim, row.checksum)
        }
        findings = []
        for pk, model in sorted(damaged):
            told = Message.of("doctor.vector_damaged", id=pk, model=models[model].name)
            if examination.repairing:
                SquareEmbedding.objects.filter(image=pk, model_version=model).delete()
                removed.add(pk)
            findings.append(Finding(told, examination.repairing))
        yield Step(after, findings)
    if removed:
        yield Step(after, _missing(examination, removed))


def _keep_checksums(rows: list[ImageEmbedding], *, without: list[ImageEmbedding]) -> None:
    """Keep those of vectors that were made before there were any."""
    fresh = [row for row in rows if row.checksum is None and row not in without]
    for row in fresh:
        row.checksum = checksum(bytes(row.vector))
    ImageEmbedding.objects.bulk_update(fresh, ["checksum"], batch_size=200)


def _missing(examination: Examination, removed: set[int]) -> list[Finding]:
    """Name pictures that have no vector of the model that is live; embed them, if wanted."""
    model = working_model()
    if model is None:
        return []
    lacking = Image.objects.missing_embeddings(model).order_by("pk")
    due = lacking.filter(created_at__lt=timezone.now() - WAITS).values_list("pk", flat=True)
    ids = sorted({*due, *removed})
    if not ids:
        return []
    if examination.repairing:
        embed(model, model.load_encoder(), examination.job, examination.progress)
    left = set(lacking.values_list("pk", flat=True))
    return [
        Finding(Message.of("doctor.vector_missing", id=pk, model=model.name), pk not in left)
        for pk in ids
        if pk in left or pk not in removed  # of the others it was told that they were damaged
    ]


def check_captions(examination: Examination, after: int) -> Iterator[Step]:
    """Compare what is said of pictures with what was read of it."""
    model = SentenceReading.objects.current()
    if model is None:
        return
    images = Image.objects.order_by("pk").values_list("pk", flat=True)
    read = SentenceEmbedding.objects.of_model(model)
    while ids := list(images.filter(pk__gt=after)[:PICTURES]):
        after = ids[-1]
        changes = SentenceChange.objects.filter(image_id__in=ids)
        noted = set(changes.values_list("image_id", flat=True))
        rows = list(read.said().filter(image_id__in=ids))
        damaged = [row for row in rows if not is_sound(bytes(row.vector), model.dim, row.checksum)]
        said = {(each.image_id, each.key, each.digest) for each in sentences_of(ids)}
        kept = {(row.image_id, row.key, row.digest) for row in rows}
        unread = {image_id for image_id, _, _ in said ^ kept} - noted
        again = unread | {row.image_id for row in damaged}
        if examination.repairing and again:
            _have_read_again(damaged, again)
        found = [
            *(Message.of("doctor.caption_damaged", id=row.image_id) for row in damaged),
            *(Message.of("doctor.caption_unread", id=pk) for pk in sorted(unread)),
        ]
        yield Step(after, [Finding(message, examination.repairing) for message in found])
    if examination.repairing:
        read_first(examination.progress)


def _have_read_again(damaged: list[SentenceEmbedding], images: set[int]) -> None:
    with transaction.atomic():
        SentenceEmbedding.objects.filter(pk__in=[row.pk for row in damaged]).delete()
        SentenceChange.objects.bulk_create(SentenceChange(image_id=pk) for pk in sorted(images))
