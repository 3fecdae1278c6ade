"""Triggers that note of which pictures the words have changed, and keep SQLite's index of them."""

from collections.abc import Iterator

from gallery.fulltext.rows import WATCHED
from gallery.models.text import FTS_TABLE
from gallery.models.triggers import Trigger, TriggerSet

PREFIX = "gallery_words_"


def _triggers(vendor: str) -> Iterator[Trigger]:
    yield from _of_pictures()
    for table in ("gallery_caption", "gallery_image_tags"):
        yield from _of_their_own(table)
    yield from _of_names()
    if vendor == "sqlite":
        yield from _of_fts()


def _note(images: str) -> str:
    return f"INSERT INTO gallery_staletext (image_id) {images};"


def _of_pictures() -> Iterator[Trigger]:
    table, columns = "gallery_image", (*WATCHED, "collection_id")
    yield Trigger(f"{PREFIX}image_insert", table, "INSERT", _note("SELECT NEW.id"))
    yield Trigger(f"{PREFIX}image_delete", table, "DELETE", _note("SELECT OLD.id"))
    update = f"UPDATE OF {', '.join(columns)}"
    yield Trigger(f"{PREFIX}image_update", table, update, _note("SELECT NEW.id"), columns)


def _of_their_own(table: str) -> Iterator[Trigger]:
    """Of a table of which each row belongs to a picture."""
    name = PREFIX + table.removeprefix("gallery_")
    yield Trigger(f"{name}_insert", table, "INSERT", _note("SELECT NEW.image_id"))
    yield Trigger(f"{name}_delete", table, "DELETE", _note("SELECT OLD.image_id"))
    both = "SELECT OLD.image_id UNION SELECT NEW.image_id"
    yield Trigger(f"{name}_update", table, "UPDATE", _note(both))


def _of_names() -> Iterator[Trigger]:
    """Of what many pictures share."""
    for table, images in (
        ("gallery_tag", "SELECT image_id FROM gallery_image_tags WHERE tag_id = NEW.id"),
        ("gallery_collection", "SELECT id FROM gallery_image WHERE collection_id = NEW.id"),
    ):
        name = PREFIX + table.removeprefix("gallery_")
        yield Trigger(f"{name}_update", table, "UPDATE OF name", _note(images), ("name",))


def _of_fts() -> Iterator[Trigger]:
    """What keeps an FTS5 table of external content as that content is (SQLite's own manual, FTS5,
    section 4.4.3)."""
    table = "gallery_imagetext"
    add = f"INSERT INTO {FTS_TABLE} (rowid, lexemes) VALUES (NEW.image_id, NEW.lexemes);"  # noqa: S608
    drop = (
        f"INSERT INTO {FTS_TABLE} ({FTS_TABLE}, rowid, lexemes) "  # noqa: S608
        "VALUES ('delete', OLD.image_id, OLD.lexemes);"
    )
    yield Trigger(f"{PREFIX}fts_insert", table, "INSERT", add)
    yield Trigger(f"{PREFIX}fts_delete", table, "DELETE", drop)
    yield Trigger(f"{PREFIX}fts_update", table, "UPDATE", f"{drop} {add}")


TRIGGERS = TriggerSet(PREFIX, _triggers)
