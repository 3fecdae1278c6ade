"""The same change to many pictures: all of it or nothing, and an account of what it did."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.contrib.auth.models import Group
from django.db import transaction

from gallery import fulltext
from gallery.models import Image, Tag
from gallery.services.images import show_images
from gallery.uploads.descriptions import collection_named, tags_named

_AT_ONCE = 1_000
"""Rows in one statement; SQLite takes so many values."""


@dataclass(frozen=True, slots=True)
class Change:
    """What to do with each picture; what is empty stays as it is."""

    add_tags: Sequence[str] = ()
    remove_tags: Sequence[str] = ()
    collection: str = ""
    no_collection: bool = False
    visibility: str = ""
    groups: Sequence[Group] = ()
    """Who sees them, where the visibility says so."""

    def __bool__(self) -> bool:
        return any(
            (
                self.add_tags,
                self.remove_tags,
                self.collection,
                self.no_collection,
                self.visibility,
            )
        )


@dataclass(slots=True)
class Changed:
    """How many pictures really became different, by what was asked for."""

    pictures: int = 0
    tags_added: dict[str, int] = field(default_factory=dict)
    tags_removed: dict[str, int] = field(default_factory=dict)
    moved: int = 0
    shown_or_hidden: int = 0


def change_images(ids: Sequence[int], change: Change) -> Changed:
    """Change these pictures in one transaction; whoever calls has asked whether he may."""
    done = Changed(pictures=len(ids))
    with transaction.atomic():
        collection = collection_named(change.collection)
        added = tags_named(change.add_tags)
        removed = list(Tag.objects.filter(name__in=change.remove_tags))
        done.tags_removed = dict.fromkeys(change.remove_tags, 0)
        for some in _groups(ids):
            for tag in added:
                count = _add_tag(some, tag)
                done.tags_added[tag.name] = done.tags_added.get(tag.name, 0) + count
            for tag in removed:
                links = Image.tags.through.objects.filter(image_id__in=some, tag_id=tag.pk)
                done.tags_removed[tag.name] += links.delete()[0]
            rows = Image.objects.filter(pk__in=some)
            if collection is not None or change.no_collection:
                done.moved += rows.exclude(collection=collection).update(collection=collection)
            if change.visibility:
                done.shown_or_hidden += show_images(some, change.visibility, change.groups)
        fulltext.refresh(ids)
    return done


def _add_tag(ids: Sequence[int], tag: Tag) -> int:
    links = Image.tags.through.objects
    have = set(links.filter(image_id__in=ids, tag_id=tag.pk).values_list("image_id", flat=True))
    fresh = [pk for pk in ids if pk not in have]
    links.bulk_create(
        (Image.tags.through(image_id=pk, tag_id=tag.pk) for pk in fresh), ignore_conflicts=True
    )
    return len(fresh)


def _groups(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]
