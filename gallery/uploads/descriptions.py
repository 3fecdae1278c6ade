"""What people say of pictures that come in: collection, tags and captions."""

from collections.abc import Iterable

from gallery.models import Caption, Collection, Image, Tag
from mlcore.metadata.sanitize import clean_line


def collection_named(name: str) -> Collection | None:
    """Return the collection of this name, made where it is new; none for no name."""
    return Collection.objects.get_or_create(name=name)[0] if name else None


def tags_named(names: Iterable[str]) -> list[Tag]:
    """Return the tags of these names, made where they are new."""
    return [Tag.objects.get_or_create(name=name)[0] for name in names]


def add_captions(image: Image, captions: Iterable[str], source: Caption.Source) -> int:
    """Add the captions that a picture does not have yet; return how many."""
    wanted = list(dict.fromkeys(clean(captions)))
    if not wanted:
        return 0
    present = list(image.captions.values_list("text", "order"))
    texts = {text for text, _ in present}
    following = 1 + max((order for _, order in present), default=-1)
    fresh = [text for text in wanted if text not in texts]
    Caption.objects.bulk_create(
        Caption(image=image, text=text, order=following + offset, source=source)
        for offset, text in enumerate(fresh)
    )
    return len(fresh)


def first_captions(image: Image, *said: tuple[Iterable[str], Caption.Source]) -> list[Caption]:
    """Return the captions of a picture that is new, each once, for whoever saves them."""
    sources: dict[str, Caption.Source] = {}
    for captions, source in said:
        for text in clean(captions):
            sources.setdefault(text, source)
    return [
        Caption(image=image, text=text, order=order, source=source)
        for order, (text, source) in enumerate(sources.items())
    ]


def clean(captions: Iterable[str]) -> list[str]:
    """Make each caption one printable line, and drop what is empty then."""
    limit = Caption._meta.get_field("text").max_length or 0
    lines = (clean_line(text, limit) for text in captions)
    return [line for line in lines if line]
