"""Reads that pages, the API and the search share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Length

from gallery.models import (
    Caption,
    Collection,
    Image,
    ImageEmbedding,
    IndexVersion,
    ModelVersion,
    Tag,
)
from mlcore.config import FloatMatrix, IdVector

Person = User | AnonymousUser | None
"""Who asks; nothing means the public."""


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Conditions on records; each that is not empty must hold."""

    collection: str = ""
    tag: str = ""
    split: str = ""

    def __bool__(self) -> bool:
        return bool(self.collection or self.tag or self.split)

    def apply(self, images: "QuerySet[Image]") -> "QuerySet[Image]":
        if self.collection:
            images = images.filter(collection__name=self.collection)
        if self.tag:
            images = images.filter(tags__name=self.tag)
        if self.split:
            images = images.filter(split=self.split)
        return images


def visible_images(ids: Sequence[int], user: Person) -> dict[int, Image]:
    """Fetch those of these pictures that exist and that this person may see, by id.

    Three queries, whatever the number of ids.
    """
    return Image.objects.visible_to(user).with_details().in_bulk(list(ids))


def matching_ids(condition: ImageFilter, user: Person) -> IdVector:
    """Ids of all pictures that match and that this person may see: int64, shape (n,)."""
    ids = condition.apply(Image.objects.visible_to(user)).values_list("pk", flat=True).distinct()
    return np.fromiter(ids.order_by("pk").iterator(), dtype=np.int64)


def working_model() -> ModelVersion | None:
    """Return the model that new pictures are embedded with: that of the live index."""
    live = IndexVersion.objects.active()
    return live.model_version if live else None


def tail_length(index: IndexVersion) -> int:
    """Count the pictures embedded since this index was built."""
    return ImageEmbedding.objects.later_than(index.model_version, index.watermark).count()


def stored_vectors(ids: Sequence[int], version: ModelVersion) -> dict[int, FloatMatrix]:
    """Read the vectors of these pictures by this model, each float32 of shape (1, dim), by id."""
    rows = ImageEmbedding.objects.filter(model_version=version, image_id__in=ids)
    found, vectors, _ = rows.matrix()
    return {int(pk): vectors[row : row + 1] for row, pk in enumerate(found)}


CHOICES_SHOWN = 500
"""Collections or tags offered to choose from; a longer list is better typed than scrolled."""
EXAMPLE_LENGTH = (12, 60)
"""Characters of a caption that reads like something a person would search for."""
EXAMPLES_FROM = 300
"""Newest captions that examples are drawn from: enough for variety, cheap in any gallery."""


@dataclass(frozen=True, slots=True)
class Facets:
    """What results can be narrowed to: only names that stand on pictures the person may see."""

    collections: list[str]
    tags: list[str]


def facets(user: Person) -> Facets:
    visible = Image.objects.visible_to(user)
    collections = Collection.objects.filter(Exists(visible.filter(collection=OuterRef("pk"))))
    tags = Tag.objects.filter(Exists(visible.filter(tags=OuterRef("pk"))))
    return Facets(
        collections=list(collections.values_list("name", flat=True)[:CHOICES_SHOWN]),
        tags=list(tags.values_list("name", flat=True)[:CHOICES_SHOWN]),
    )


def newest_images(user: Person, where: ImageFilter = ImageFilter()) -> "QuerySet[Image]":
    """Select the pictures that this person may see, the latest first, with what a tile shows."""
    return where.apply(Image.objects.visible_to(user).with_details()).order_by("-pk")


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
