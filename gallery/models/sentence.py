"""Vectors of what people wrote about pictures: captions, and titles that say something."""

import hashlib
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Self

import numpy as np
from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from numpy.typing import NDArray

from gallery.models.image import Caption, Image
from gallery.models.job import LEASE
from gallery.models.vectors import checksum, lock_writers, pack, unpack
from gallery.models.version import require_unchanged
from mlcore.config import FloatMatrix, IdVector

if TYPE_CHECKING:
    from mlcore.encoders.sentences import SentenceEncoder

_WRITERS_LOCK = 0x436F6E5673
"""Number of the PostgreSQL advisory lock that makes rows commit in the order of their ids, so that
"later than this id" never passes over a row that was slow to commit."""

_READ_CHUNK = 2_000
"""Rows fetched at a time; 2,000 vectors of 384 are 3 MB."""

_LIKE_A_FILE = re.compile(r"\S*[\d_]\S*|\S+\.\w{2,5}")
"""One word with a digit or an underscore in it, or with an ending: ``IMG_2041``, ``beach.jpeg``."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Something that is said of a picture."""

    image_id: int
    key: int
    """Id of the caption, or minus the picture's id for its title."""
    text: str

    @property
    def digest(self) -> str:
        """Tells texts apart: 128 bits of their sha256, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]


def is_sentence(title: str, source: str) -> bool:
    """Tell whether a title says something of its picture: a mere file name does not."""
    stem = PurePosixPath(source).stem
    words = title.strip()
    return bool(words) and words.casefold() != stem.casefold() and not _LIKE_A_FILE.fullmatch(words)


def sentences_of(image_ids: Sequence[int]) -> list[Sentence]:
    """Read what is said of these pictures."""
    captions = Caption.objects.filter(image_id__in=image_ids).order_by("image_id", "pk")
    said = [
        Sentence(image_id, pk, text)
        for image_id, pk, text in captions.values_list("image_id", "pk", "text")
    ]
    titles = Image.objects.filter(pk__in=image_ids).exclude(title="").order_by("pk")
    said += [
        Sentence(pk, -pk, title)
        for pk, title, source in titles.values_list("pk", "title", "source")
        if is_sentence(title, source)
    ]
    return said


class SentenceModelManager(models.Manager["SentenceModel"]):
    def for_encoder(self, encoder: "SentenceEncoder") -> "SentenceModel":
        """Return the row of a loaded model, made on first use; the fingerprint is its identity."""
        model, _ = self.get_or_create(
            fingerprint=encoder.fingerprint,
            defaults={"reference": encoder.name, "dim": encoder.dim},
        )
        return model


class SentenceModel(models.Model):
    """A model that makes vectors of sentences."""

    reference = models.CharField(
        _("reference"),
        max_length=500,
        help_text=_("'minilm', or a sentence-transformers folder or hub name."),
    )
    fingerprint = models.CharField(_("fingerprint"), max_length=64, unique=True)
    dim = models.PositiveIntegerField(_("vector width"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = SentenceModelManager()

    class Meta:
        verbose_name = _("sentence model")
        verbose_name_plural = _("sentence models")

    def __str__(self) -> str:
        return f"{self.reference} ({self.fingerprint[:8]})"

    def load_encoder(self) -> "SentenceEncoder":
        """Load this model; the process keeps one copy of it.

        Raises:
            ModelUnavailableError: it cannot be had.
            IndexMismatchError: what stands at its reference now is another model.
        """
        from mlcore.encoders.sentences import shared_sentence_encoder

        options = settings.CONTEXTVISION_RUNTIME_OPTIONS
        encoder = shared_sentence_encoder(self.reference, options=options)
        require_unchanged(self.reference, then=self.fingerprint, now=encoder.fingerprint)
        return encoder


@dataclass(frozen=True, slots=True)
class SentenceRows:
    """Rows of one model, in an order that whoever reads them says."""

    keys: IdVector
    images: IdVector
    vectors: FloatMatrix
    """float32 (n, dim); rows of nought where the sentence is not said any more."""
    said: NDArray[np.bool_]
    """Whether the sentence is still said."""
    watermark: int
    """The highest row id; 0 where there is none."""


class SentenceEmbeddingQuerySet(models.QuerySet["SentenceEmbedding"]):
    def of_model(self, model: SentenceModel) -> Self:
        return self.filter(model=model)

    def said(self) -> Self:
        """Keep sentences that are still said."""
        return self.exclude(vector=b"")

    def later_than(self, model: SentenceModel, watermark: int) -> Self:
        return self.of_model(model).filter(pk__gt=watermark).order_by("pk")

    def store(
        self, model: SentenceModel, sentences: Sequence[Sentence], vectors: FloatMatrix
    ) -> int:
        """Keep the vectors of these sentences in place of what was kept under their keys, and
        return how many were kept; pictures that were deleted meanwhile are left out."""
        packed = [pack(vector) for vector in vectors]
        return self._replace(model, list(zip(sentences, packed, strict=True)))

    def retire(self, model: SentenceModel, sentences: Sequence[Sentence]) -> int:
        """Note that these sentences are not said any more, so that indexes forget them."""
        return self._replace(model, [(sentence, b"") for sentence in sentences])

    def _replace(self, model: SentenceModel, rows: Sequence[tuple[Sentence, bytes]]) -> int:
        with transaction.atomic():
            lock_writers(_WRITERS_LOCK)
            # Locked against deletion until the vectors are in.
            ids = {sentence.image_id for sentence, _ in rows}
            images = Image.objects.select_for_update(no_key=True).filter(pk__in=ids)
            present = set(images.order_by("pk").values_list("pk", flat=True))
            kept = [row for row in rows if row[0].image_id in present]
            # Never changed in place: a new row is what tells indexes of it.
            keys = [sentence.key for sentence, _ in kept]
            self.filter(model=model, image_id__in=present, key__in=keys).delete()
            self.bulk_create(
                SentenceEmbedding(
                    image_id=sentence.image_id,
                    key=sentence.key,
                    model=model,
                    digest=sentence.digest if vector else "",
                    vector=vector,
                    checksum=checksum(vector),
                )
                for sentence, vector in kept
            )
        return len(kept)

    def matrix(self, dim: int) -> SentenceRows:
        """Read all rows, in the order of this queryset."""
        keys: list[int] = []
        images: list[int] = []
        chunks: list[FloatMatrix] = []
        pending: list[bytes] = []
        gone, watermark = bytes(4 * dim), 0
        said: list[bool] = []
        rows = self.values_list("pk", "key", "image_id", "vector")
        for pk, key, image_id, vector in rows.iterator(chunk_size=_READ_CHUNK):
            watermark = max(watermark, pk)
            keys.append(key)
            images.append(image_id)
            said.append(len(vector) > 0)
            pending.append(bytes(vector) or gone)
            if len(pending) == _READ_CHUNK:
                chunks.append(unpack(pending, dim))
                pending = []
        chunks.append(unpack(pending, dim))
        return SentenceRows(
            np.asarray(keys, dtype=np.int64),
            np.asarray(images, dtype=np.int64),
            np.concatenate(chunks),
            np.asarray(said, dtype=np.bool_),
            watermark,
        )


class SentenceEmbedding(models.Model):
    """What a model made of one sentence. A row never changes: what is said anew is a new row, and
    so is that something is not said any more."""

    image = models.ForeignKey(
        Image,
        verbose_name=_("image"),
        on_delete=models.CASCADE,
        related_name="sentence_embeddings",
    )
    key = models.BigIntegerField(
        _("key"), help_text=_("Id of the caption, or minus the picture's id for its title.")
    )
    model = models.ForeignKey(
        SentenceModel,
        verbose_name=_("sentence model"),
        on_delete=models.CASCADE,
        related_name="embeddings",
    )
    digest = models.CharField(
        _("digest"), max_length=32, blank=True, help_text=_("Of the text that was read.")
    )
    vector = models.BinaryField(
        _("vector"),
        help_text=_("float32, little-endian, unit length; empty where it is not said any more."),
    )

    checksum = models.PositiveBigIntegerField(
        _("checksum"),
        null=True,
        editable=False,
        help_text=_("CRC-32 of the vector; nothing where it was made before they were kept."),
    )

    objects = SentenceEmbeddingQuerySet.as_manager()

    class Meta:
        verbose_name = _("sentence embedding")
        verbose_name_plural = _("sentence embeddings")
        constraints = [
            models.UniqueConstraint(
                fields=["image", "key", "model"], name="one_embedding_per_sentence"
            ),
        ]
        indexes = [models.Index(fields=["model", "id"], name="sentence_tail")]

    def __str__(self) -> str:
        return gettext("Vector of sentence %(key)s by model %(model)s") % {
            "key": self.key,
            "model": self.model_id,
        }


class SentenceChange(models.Model):
    """A picture of which something else is said than was read; written by triggers of the database
    (:mod:`gallery.models.sentence_triggers`), so that no way of writing is forgotten."""

    image_id = models.BigIntegerField(_("image"), db_index=True)

    class Meta:
        verbose_name = _("change of a sentence")
        verbose_name_plural = _("changes of sentences")

    def __str__(self) -> str:
        return gettext("Change of what is said of picture %(id)s") % {"id": self.image_id}


class SentenceReadingManager(models.Manager["SentenceReading"]):
    def take(self) -> "SentenceReading | None":
        """Take the work on; nothing where another worker has it."""
        row, _ = self.get_or_create(pk=1)
        token = uuid.uuid4()
        free = Q(lease_until=None) | Q(lease_until__lt=Now())
        mine = self.filter(free, pk=row.pk).update(token=token, lease_until=Now() + LEASE)
        return self.select_related("sentence_model").get(pk=row.pk) if mine else None

    def is_due(self) -> bool:
        """Tell whether something has changed and no worker is at it."""
        if not SentenceChange.objects.exists():
            row = self.first()
            return (row is None or row.sentence_model_id is None) and Image.objects.exists()
        return not self.filter(lease_until__gte=Now()).exists()

    def current(self) -> SentenceModel | None:
        """Return the model whose vectors are kept up to date; None before the first was read."""
        row = self.select_related("sentence_model").first()
        return row.sentence_model if row else None


class SentenceReading(models.Model):
    """One row: by which model sentences are read, and which worker does so just now."""

    sentence_model = models.ForeignKey(
        SentenceModel,
        verbose_name=_("sentence model"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    token = models.UUIDField(_("token"), null=True)
    lease_until = models.DateTimeField(_("lease until"), null=True)

    objects = SentenceReadingManager()

    class Meta:
        verbose_name = _("reading of sentences")
        verbose_name_plural = _("readings of sentences")

    def __str__(self) -> str:
        return gettext("Sentences are read by %(model)s") % {"model": self.sentence_model}

    def beat(self) -> bool:
        """Give a sign of life; tell whether the work is still this worker's."""
        mine = SentenceReading.objects.filter(pk=self.pk, token=self.token)
        return bool(mine.update(lease_until=Now() + LEASE))

    def end(self) -> None:
        """Leave the rest, if there is any, to whoever takes it next."""
        mine = SentenceReading.objects.filter(pk=self.pk, token=self.token)
        mine.update(token=None, lease_until=None)

    def follow(self, model: SentenceModel) -> None:
        """Read by this model from now on: all that is said is looked at, once."""
        if self.sentence_model == model:
            return
        self.sentence_model = model
        with transaction.atomic():
            SentenceReading.objects.filter(pk=self.pk).update(sentence_model=model)
            all_changed()


def all_changed() -> None:
    """Have everything looked at that is said of any picture; what was read already stays."""
    captioned = Exists(Caption.objects.filter(image=OuterRef("pk")))
    told = Image.objects.filter(captioned | ~Q(title="")).order_by().values_list("pk")
    read = SentenceEmbedding.objects.order_by().values_list("image_id").distinct()
    sql, params = told.union(read).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO gallery_sentencechange (image_id) {sql}", params)
