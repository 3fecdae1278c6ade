"""Pictures that have words and no file."""

import hashlib
from itertools import count
from typing import Any

from gallery.models import Caption, Image
from gallery.uploads.descriptions import collection_named, tags_named

_numbers = count(1)


def add_record(
    *captions: str, title: str = "", tags: tuple[str, ...] = (), collection: str = "", **fields: Any
) -> Image:
    """Write the record of a picture as any program might, past all services."""
    digest = hashlib.sha256(str(next(_numbers)).encode()).hexdigest()
    image = Image.objects.create(
        sha256=digest,
        file=f"originals/{digest}.jpg",
        width=4,
        height=3,
        bytes=9,
        title=title,
        collection=collection_named(collection),
        **fields,
    )
    image.tags.set(tags_named(tags))
    Caption.objects.bulk_create(
        Caption(image=image, text=text, order=order) for order, text in enumerate(captions)
    )
    return image
