"""Reads that pages, the API and the search share."""

import re
from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache

import numpy as np
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Length
from django.db.models.lookups import Exact, GreaterThanOrEqual, LessThanOrEqual
from django.utils.translation import gettext

from gallery.models import (
    Caption,
    Image,
    ImageEmbedding,
    IndexVersion,
    Job,
    ModelVersion,
)
from gallery.models.image import MOMENT, ORIENTATION, ImageQuerySet
from mlcore.config import FloatMatrix, IdVector

Person = User | AnonymousUser | None
"""Who asks; nothing means the public."""


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Conditions on records; each that is not empty must hold."""

    collection: str = ""
    tag: str = ""
    split: str = ""
    orientation: str = ""
    colour: str = ""
    """The colour that stands out."""
    since: str = ""
    """A year, month or day in ISO 8601, such as 2024-05: its first day is the first let through,
    going by when a picture was taken, or added where that is not known."""
    until: str = ""
    """Likewise; its last day is the last let through."""
    uploader: str = ""
    """A user name. Who uploaded what is for staff to know, and for everybody of himself."""

    def __bool__(self) -> bool:
        return bool(self.parameters())

    def parameters(self) -> list[tuple[str, str]]:
        """Return names and values of the conditions that are not empty."""
        return [(name, value) for name, value in asdict(self).items() if value]

    def apply(self, images: "ImageQuerySet", user: Person) -> "ImageQuerySet":
        if self.collection:
            images = images.filter(collection__name=self.collection)
        if self.tag:
            images = images.filter(tags__name=self.tag)
        if self.split:
            images = images.filter(split=self.split)
        if self.orientation:
            images = images.filter(Exact(ORIENTATION, self.orientation))
        if self.colour:
            images = images.filter(dominant_colour=self.colour)
        if self.since:
            first, _ = days_of(self.since)
            start = datetime.combine(first, time.min, tzinfo=UTC)
            images = images.filter(GreaterThanOrEqual(MOMENT, start))
        if self.until:
            _, last = days_of(self.until)
            end = datetime.combine(last, time.max, tzinfo=UTC)
            images = images.filter(LessThanOrEqual(MOMENT, end))
        if self.uploader:
            images = images.filter(uploader__username=self.uploader)
            images = whose_uploaders_are_known(images, user)
        return images


def whose_uploaders_are_known(images: "ImageQuerySet", user: Person) -> "ImageQuerySet":
    """Keep the pictures of which this person may know who uploaded them."""
    if user is None or not user.is_authenticated:
        return images.none()
    return images if user.is_staff else images.filter(uploader=user)


def days_of(text: str) -> tuple[date, date]:
    """Return the first and the last day of a year, a month or a day: ``2024-05`` is all of May.

    Raises ValueError where it is none of these.
    """
    match = _PARTIAL_DATE.fullmatch(text)
    year, month, day = match.groups() if match else ("0", None, None)
    try:
        first = date(int(year), int(month or 1), int(day or 1))
    except ValueError as error:
        raise ValueError(
            gettext("%(text)s is not a year, a month or a day such as 2024-05-17.") % {"text": text}
        ) from error
    if day:
        return first, first
    last_month = first.month if month else 12
    return first, first.replace(month=last_month, day=monthrange(first.year, last_month)[1])


_PARTIAL_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


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


def matching_ids(condition: ImageFilter, user: Person) -> IdVector:
    """Ids of all pictures that match and that this person may see: int64, shape (n,)."""
    ids = (
        condition.apply(Image.objects.visible_to(user), user)
        .values_list("pk", flat=True)
        .distinct()
    )
    return np.fromiter(ids.order_by("pk").iterator(), dtype=np.int64)


def working_model() -> ModelVersion | None:
    """Return the model that new pictures are embedded with: that of the live index."""
    live = IndexVersion.objects.active()
    return live.model_version if live else None


def tail_length(index: IndexVersion) -> int:
    """Count the pictures embedded since this index was built."""
    return ImageEmbedding.objects.later_than(index.model_version, index.watermark).count()


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


def picture_name(pk: int) -> str:
    """Name a picture of the gallery as one of a data set; :func:`pictures_named` reads it."""
    return f"picture {pk}"


def pictures_named(names: Iterable[str], user: Person) -> dict[str, Image]:
    """Fetch the pictures that an evaluation names and that this person may see, by name.

    Names of pictures that are not of the gallery, as in a folder, have none.
    """
    ids = picture_ids(names)
    found = visible_images(list(ids.values()), user)
    return {name: found[pk] for name, pk in ids.items() if pk in found}


def picture_ids(names: Iterable[str]) -> dict[str, int]:
    """Read the ids out of the names of pictures of the gallery; others are passed over."""
    return {name: int(number) for name in names if (number := _number_in(name))}


def _number_in(name: str) -> str:
    number = name.removeprefix("picture ")
    return number if number != name and number.isdecimal() else ""


def sample_captions(count: int) -> list[str]:
    """Choose at most ``count`` captions of different pictures, evenly spaced over all of them."""
    first = Caption.objects.filter(order=0).order_by("image_id")
    ids = list(first.values_list("pk", flat=True))
    chosen = ids[:: max(1, len(ids) // count)][:count]
    return list(Caption.objects.filter(pk__in=chosen).order_by("pk").values_list("text", flat=True))


EXAMPLE_LENGTH = (12, 60)
"""Characters of a caption that reads like something a person would search for."""
EXAMPLES_FROM = 300
"""Newest captions that examples are drawn from: enough for variety, cheap in any gallery."""


def newest_images(user: Person, where: ImageFilter = ImageFilter()) -> "QuerySet[Image]":
    """Select the pictures that this person may see, the latest first, with what a tile shows."""
    return where.apply(Image.objects.visible_to(user).with_details(), user).order_by("-pk")


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
