"""Reads that pages, the API and the search share."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Length
from numpy.typing import NDArray

from gallery.access import ORIGIN, Person
from gallery.models import (
    Caption,
    Collection,
    Image,
    ImageEmbedding,
    IndexVersion,
    Job,
    ModelVersion,
    SentenceChange,
    SentenceEmbedding,
    SentenceReading,
    SquareEmbedding,
    Tag,
)
from gallery.models.image import ImageQuerySet
from gallery.models.square import ENDS
from mlcore.config import FloatMatrix, IdVector
from mlcore.index.hits import products


def whose_uploaders_are_known(images: "ImageQuerySet", user: Person) -> "ImageQuerySet":
    """Keep the pictures of which this person may know who uploaded them."""
    if user is None or not user.is_authenticated:
        return images.none()
    return images if user.has_perm(ORIGIN) else images.filter(uploader=user)


def known_collections(user: Person) -> QuerySet[Collection]:
    """Select the collections of which this person may see a picture: a name may tell much."""
    seen = Image.objects.visible_to(user).filter(collection=OuterRef("pk"))
    return Collection.objects.filter(Exists(seen))


def known_tags(user: Person) -> QuerySet[Tag]:
    """Select the tags that stand on a picture which this person may see."""
    return Tag.objects.filter(Exists(Image.objects.visible_to(user).filter(tags=OuterRef("pk"))))


def groups_to_choose(user: User) -> QuerySet[Group]:
    """Select the groups to which this person may show pictures: his own, or all for editors."""
    every = Group.objects.order_by("name")
    return every if user.has_perm("gallery.change_image") else every.filter(user=user)


def visible_images(ids: Sequence[int], user: Person) -> dict[int, Image]:
    """Fetch those of these pictures that exist and that this person may see, by id.

    With their captions, as a search shows them, in two queries whatever the number of ids.
    """
    return with_sentences(Image.objects.visible_to(user).in_bulk(list(ids)))


def with_sentences(images: dict[int, Image]) -> dict[int, Image]:
    """Fetch the captions of these pictures too, in one query."""
    if not images:
        return images
    # Rows instead of objects: there are several captions to a picture, and only the text is shown.
    sentences: dict[int, list[str]] = {pk: [] for pk in images}
    with connection.cursor() as cursor:
        cursor.execute(_sql_of_captions(len(images)), list(images))
        for pk, text in cursor.fetchall():
            sentences[pk].append(text)
    for pk, image in images.items():
        image.known_sentences = sentences[pk]
    return images


@lru_cache(maxsize=256)  # every page has one, and most have the same number of pictures
def _sql_of_captions(count: int) -> str:
    captions = Caption.objects.filter(image__in=range(count)).order_by("image_id", "order")
    sql, _ = captions.values_list("image_id", "text").query.sql_with_params()
    return sql


def working_model() -> ModelVersion | None:
    """Return the model that new pictures are embedded with: that of the live index."""
    live = IndexVersion.objects.active()
    return live.model_version if live else None


def tail_length(index: IndexVersion) -> int:
    """Count the pictures embedded since this index was built."""
    return ImageEmbedding.objects.later_than(index.model_version, index.watermark).count()


def square_tail_length(index: IndexVersion) -> int:
    """Count the squares of wide pictures embedded since this index was built."""
    if not settings.CONTEXTVISION_SQUARES:
        return 0
    return SquareEmbedding.objects.later_than(index.model_version, index.square_watermark).count()


def sentence_tail_length(index: IndexVersion) -> int:
    """Count the captions and titles read since this index was built, or all of them where another
    model reads now."""
    model = SentenceReading.objects.current()
    if model is None:
        return 0
    watermark = index.sentence_watermark if index.sentence_model_id == model.pk else 0
    return SentenceEmbedding.objects.later_than(model, watermark).count()


def embedding_seconds(count: int) -> float | None:
    """Estimate how long so many pictures take to embed, by the last job that embedded enough.

    Nothing where there was none yet.
    """
    return _seconds_by_the_last(Job.Kind.EMBED, "embedded", count)


def indexing_seconds(count: int) -> float | None:
    """Estimate how long an index of so many pictures takes to build, by the last one of enough.

    Nothing where there was none yet. It was of nearly as many, so the time of one picture serves,
    although large indexes are built in another way than small ones.
    """
    return _seconds_by_the_last(Job.Kind.INDEX, "pictures", count)


def _seconds_by_the_last(kind: Job.Kind, counted: str, count: int) -> float | None:
    """Estimate the time for ``count`` pictures; ``counted`` tells how many a job's result names."""
    timed = Job.objects.filter(
        kind=kind,
        started_at__isnull=False,
        finished_at__isnull=False,
        **{f"result__{counted}__gte": _ENOUGH_TO_TIME},
    )
    last = timed.first()
    if last is None or last.started_at is None or last.finished_at is None:
        return None
    seconds = (last.finished_at - last.started_at).total_seconds()
    return count * seconds / int(last.result[counted])


_ENOUGH_TO_TIME = 16
"""Pictures; with fewer, a job's time is that of loading the model."""


def stored_vectors(ids: Sequence[int], version: ModelVersion) -> dict[int, FloatMatrix]:
    """Read the vectors of these pictures by this model, each float32 of shape (1, dim), by id."""
    rows = ImageEmbedding.objects.of_model(version).filter(image_id__in=ids)
    found, vectors, _ = rows.matrix()
    return {int(pk): vectors[row : row + 1] for row, pk in enumerate(found)}


def sample_captions(count: int) -> list[Caption]:
    """Choose at most ``count`` captions of different pictures, evenly spaced over all of them."""
    first = Caption.objects.filter(order=0).order_by("image_id")
    ids = list(first.values_list("pk", flat=True))
    chosen = ids[:: max(1, len(ids) // count)][:count]
    return list(Caption.objects.filter(pk__in=chosen).order_by("pk"))


EXAMPLE_LENGTH = (12, 60)
"""Characters of a caption that reads like something a person would search for."""
EXAMPLES_FROM = 300
"""Newest captions that examples are drawn from: enough for variety, cheap in any gallery."""


def newest_images(user: Person) -> ImageQuerySet:
    """Select the pictures that this person may see, the latest first, with what a tile shows."""
    return Image.objects.visible_to(user).with_details().order_by("-pk")


def example_queries(user: Person, count: int = 6) -> list[str]:
    """Draw short captions of different pictures as examples of what can be asked."""
    first = Caption.objects.filter(order=0, image__in=Image.objects.visible_to(user))
    shortest, longest = EXAMPLE_LENGTH
    sized = first.annotate(length=Length("text"))
    short = sized.filter(length__gte=shortest, length__lte=longest)
    texts = list(short.order_by("-image_id").values_list("text", flat=True)[:EXAMPLES_FROM])
    distinct = list(dict.fromkeys(text.rstrip(" .") for text in texts))
    step = max(1, len(distinct) // count)
    return distinct[::step][:count]


def stored_scores(
    version: ModelVersion, query: FloatMatrix, image_ids: IdVector, *, in_squares: bool
) -> NDArray[np.float32]:
    """Return the cosines of a query, (1, dim), to the stored vectors of pictures by this model;
    float32 of the shape of ``image_ids``, NaN where there is none.

    With ``in_squares``, that of the best square of each.
    """
    rows = ImageEmbedding.objects.of_model(version).filter(image_id__in=image_ids.tolist())
    found, vectors, _ = rows.matrix()
    scores = products(query[0], vectors) if len(found) else found
    known = dict(zip(found.tolist(), scores.tolist(), strict=True))
    if in_squares:
        squares = SquareEmbedding.objects.of_model(version).filter(image_id__in=list(known))
        found, vectors, _ = squares.matrix(version.dim)
        scores = products(query[0], vectors)
        for pk, score in zip((found // ENDS).tolist(), scores.tolist(), strict=True):
            known[pk] = max(known[pk], score)
    return np.array([known.get(pk, np.nan) for pk in image_ids.tolist()], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class SentencesRead:
    """How far captions and titles are read."""

    reading: SentenceReading
    read: int
    """Sentences that have a vector by the model that reads now."""
    waiting: int
    """Pictures of which something is said that was not looked at yet."""


def sentences_read() -> SentencesRead | None:
    """Tell how far captions and titles are read; nothing before the first was."""
    reading = SentenceReading.objects.select_related("sentence_model").first()
    if reading is None or reading.sentence_model is None:
        return None
    return SentencesRead(
        reading,
        SentenceEmbedding.objects.of_model(reading.sentence_model).said().count(),
        SentenceChange.objects.order_by().values("image_id").distinct().count(),
    )
