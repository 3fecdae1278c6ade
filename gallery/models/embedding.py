"""Vectors of pictures: the truth from which any index can be built again."""

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
from django.db import models, transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from numpy.typing import NDArray

from gallery.models.image import Image
from gallery.models.vectors import checksum, lock_writers, pack, unpack
from gallery.models.version import ModelVersion
from mlcore.config import FloatMatrix, IdVector

_WRITERS_LOCK = 0x436F6E5669
"""Number of the PostgreSQL advisory lock that makes embedding rows commit in the order of their
ids, so that "later than this id" never passes over a row that was slow to commit."""

_READ_CHUNK = 2_000
"""Rows fetched at a time; 2,000 vectors of 512 are 4 MB."""

IN_SAMPLE = 256
"""Vectors by which words and pictures in one query are balanced."""
DRAWN_FOR_SAMPLE = 4 * IN_SAMPLE
"""Row numbers tried for them: some rows are gone."""


class ImageEmbeddingQuerySet(models.QuerySet["ImageEmbedding"]):
    def of_model(self, version: ModelVersion) -> Self:
        """Keep this model's vectors, wherever they are stored."""
        return self.filter(model_version=version.vectors_version_id)

    def later_than(self, version: ModelVersion, watermark: int) -> Self:
        return self.of_model(version).filter(pk__gt=watermark).order_by("pk")

    def store(self, version: ModelVersion, image_ids: Sequence[int], vectors: FloatMatrix) -> int:
        """Keep the vectors of these pictures, and return how many were kept.

        A picture that was deleted meanwhile is left out; one that has a vector already keeps it,
        since its file cannot have changed.
        """
        rows = dict(zip(image_ids, vectors, strict=True))
        with transaction.atomic():
            lock_writers(_WRITERS_LOCK)
            # Locked against deletion until the vectors are in.
            images = Image.objects.select_for_update(no_key=True).filter(pk__in=rows)
            present = sorted(images.order_by("pk").values_list("pk", flat=True))
            self.bulk_create(
                [
                    ImageEmbedding(
                        image_id=image_id,
                        model_version_id=version.vectors_version_id,
                        vector=(packed := pack(rows[image_id])),
                        checksum=checksum(packed),
                    )
                    for image_id in present
                ],
                ignore_conflicts=True,
            )
        return len(present)

    def by_picture(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield picture ids, ascending, with their vectors, float32 of shape (dim,); as
        :meth:`in_chunks`."""
        for ids, vectors in self.in_chunks():
            yield from zip(ids.tolist(), vectors, strict=True)

    def in_chunks(self) -> Iterator[tuple[IdVector, FloatMatrix]]:
        """Yield picture ids, ascending, with their vectors, float32 of shape (n, dim).

        All rows must be of one model version. Memory is that of one chunk; what is written
        meanwhile may be seen or not.
        """
        last = -1
        while True:
            rows = self.filter(image_id__gt=last).order_by("image_id")
            chunk = list(rows.values_list("image_id", "vector")[:_READ_CHUNK])
            if not chunk:
                return
            ids, stored = zip(*chunk, strict=True)
            yield np.array(ids, dtype=np.int64), unpack([bytes(vector) for vector in stored])
            last = ids[-1]

    def sample(self) -> FloatMatrix:
        """Return about :data:`IN_SAMPLE` vectors, always about the same, float32 of shape (n, dim).

        All rows must be of one model version.
        """
        last = self.aggregate(last=models.Max("pk"))["last"] or 0
        numbers = np.linspace(1, last, min(DRAWN_FOR_SAMPLE, last)).astype(np.int64)
        _, drawn, _ = self.filter(pk__in=numbers.tolist()).matrix()
        if len(drawn) < IN_SAMPLE:
            first = self.order_by("pk").values_list("pk", flat=True)[:IN_SAMPLE]
            _, drawn, _ = self.filter(pk__in=list(first)).matrix()
        return drawn[:: max(1, len(drawn) // IN_SAMPLE)][:IN_SAMPLE]

    def matrix(self) -> tuple[IdVector, FloatMatrix, int]:
        """Read picture ids, their vectors and the highest row id, in the order of row ids.

        All rows must be of one model version. Memory is that of the matrix and one chunk.
        """
        ids: list[int] = []
        chunks: list[FloatMatrix] = []
        watermark = 0
        pending: list[bytes] = []
        rows = self.order_by("pk").values_list("pk", "image_id", "vector")
        for pk, image_id, vector in rows.iterator(chunk_size=_READ_CHUNK):
            watermark = pk
            ids.append(image_id)
            pending.append(bytes(vector))
            if len(pending) == _READ_CHUNK:
                chunks.append(unpack(pending))
                pending = []
        if pending:
            chunks.append(unpack(pending))
        vectors = np.concatenate(chunks) if chunks else np.empty((0, 0), dtype=np.float32)
        return np.asarray(ids, dtype=np.int64), vectors, watermark


class ImageEmbedding(models.Model):
    image = models.ForeignKey(
        Image, verbose_name=_("image"), on_delete=models.CASCADE, related_name="embeddings"
    )
    model_version = models.ForeignKey(
        ModelVersion,
        verbose_name=_("model version"),
        on_delete=models.CASCADE,
        related_name="embeddings",
    )
    vector = models.BinaryField(_("vector"), help_text=_("float32, little-endian, unit length."))
    checksum = models.PositiveBigIntegerField(
        _("checksum"),
        null=True,
        editable=False,
        help_text=_("CRC-32 of the vector; nothing where it was made before they were kept."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = ImageEmbeddingQuerySet.as_manager()

    class Meta:
        verbose_name = _("image embedding")
        verbose_name_plural = _("image embeddings")
        constraints = [
            models.UniqueConstraint(
                fields=["image", "model_version"], name="one_embedding_per_model"
            ),
        ]
        indexes = [models.Index(fields=["model_version", "id"], name="embedding_tail")]

    def __str__(self) -> str:
        return gettext("Vector of picture %(image)s by model %(model)s") % {
            "image": self.image_id,
            "model": self.model_version_id,
        }
