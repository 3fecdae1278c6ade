"""Vectors of the ends of wide and tall pictures, beside those of their centres."""

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from numpy.typing import NDArray

from gallery.models.image import Image
from gallery.models.vectors import checksum, lock_writers, pack, unpack
from gallery.models.version import ModelVersion
from mlcore.config import FloatMatrix, IdVector

_WRITERS_LOCK = 0x436F6E5671
"""Number of the PostgreSQL advisory lock that makes rows commit in the order of their ids."""

_READ_CHUNK = 2_000
"""Rows fetched at a time; 2,000 vectors of 512 are 4 MB."""

ENDS = 2
"""Squares of a wide picture besides its centre: the left or upper end, and the right or lower."""


def squares_of(image_ids: IdVector) -> IdVector:
    """Return the ids of the squares of these pictures, ascending where theirs do.

    A square's id is :data:`ENDS` times that of its picture, plus the number of its end: what holds
    vectors by id holds those of squares without a table of what they belong to.
    """
    return (ENDS * image_ids[:, None] + np.arange(ENDS)).reshape(-1)


class SquareEmbeddingQuerySet(models.QuerySet["SquareEmbedding"]):
    def of_model(self, version: ModelVersion) -> Self:
        """Keep this model's vectors, wherever they are stored."""
        return self.filter(model_version=version.vectors_version_id)

    def later_than(self, version: ModelVersion, watermark: int) -> Self:
        return self.of_model(version).filter(pk__gt=watermark).order_by("pk")

    def store(
        self, version: ModelVersion, image_ids: Sequence[int], vectors: NDArray[np.float32]
    ) -> None:
        """Keep the vectors of both ends of these pictures, (n, ends, dim).

        As :meth:`gallery.models.embedding.ImageEmbeddingQuerySet.store`.
        """
        rows = dict(zip(image_ids, vectors, strict=True))
        with transaction.atomic():
            lock_writers(_WRITERS_LOCK)
            images = Image.objects.select_for_update(no_key=True).filter(pk__in=rows)
            present = sorted(images.order_by("pk").values_list("pk", flat=True))
            self.bulk_create(
                [
                    SquareEmbedding(
                        image_id=image_id,
                        model_version_id=version.vectors_version_id,
                        end=end,
                        vector=(packed := pack(rows[image_id][end])),
                        checksum=checksum(packed),
                    )
                    for image_id in present
                    for end in range(ENDS)
                ],
                ignore_conflicts=True,
            )

    def matrix(self, dim: int) -> tuple[IdVector, FloatMatrix, int]:
        """Read ids of squares (:func:`squares_of`), their vectors and the highest row id, in the
        order of row ids. All rows must be of one model version."""
        ids: list[int] = []
        chunks: list[FloatMatrix] = []
        pending: list[bytes] = []
        watermark = 0
        rows = self.order_by("pk").values_list("pk", "image_id", "end", "vector")
        for pk, image_id, end, vector in rows.iterator(chunk_size=_READ_CHUNK):
            watermark = pk
            ids.append(ENDS * image_id + end)
            pending.append(bytes(vector))
            if len(pending) == _READ_CHUNK:
                chunks.append(unpack(pending, dim))
                pending = []
        chunks.append(unpack(pending, dim))
        return np.asarray(ids, dtype=np.int64), np.concatenate(chunks), watermark

    def by_square(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield ids of squares, descending, with their vectors, float32 of shape (dim,). All rows
        must be of one model version; memory is that of one chunk."""
        later = Q()
        while True:
            rows = self.filter(later).order_by("-image_id", "-end")
            chunk = list(rows.values_list("image_id", "end", "vector")[:_READ_CHUNK])
            for image_id, end, vector in chunk:
                yield ENDS * image_id + end, unpack([bytes(vector)])[0]
            if not chunk:
                return
            last, end = chunk[-1][:2]
            later = Q(image_id__lt=last) | Q(image_id=last, end__lt=end)


class SquareEmbedding(models.Model):
    """What a model made of a square at the end of a picture that is wide or tall."""

    image = models.ForeignKey(
        Image, verbose_name=_("image"), on_delete=models.CASCADE, related_name="squares"
    )
    model_version = models.ForeignKey(
        ModelVersion,
        verbose_name=_("model version"),
        on_delete=models.CASCADE,
        related_name="squares",
    )
    end = models.PositiveSmallIntegerField(
        _("end"), help_text=_("0: the left or upper end; 1: the right or lower end.")
    )
    vector = models.BinaryField(_("vector"), help_text=_("float32, little-endian, unit length."))
    checksum = models.PositiveBigIntegerField(
        _("checksum"), editable=False, help_text=_("CRC-32 of the vector.")
    )

    objects = SquareEmbeddingQuerySet.as_manager()

    class Meta:
        verbose_name = _("square embedding")
        verbose_name_plural = _("square embeddings")
        constraints = [
            models.UniqueConstraint(
                fields=["image", "model_version", "end"], name="one_embedding_per_square"
            ),
        ]
        indexes = [models.Index(fields=["model_version", "id"], name="square_tail")]

    def __str__(self) -> str:
        return gettext("Vector of a square of picture %(image)s by model %(model)s") % {
            "image": self.image_id,
            "model": self.model_version_id,
        }
