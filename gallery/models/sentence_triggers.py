"""Triggers that note which pictures' captions and titles have changed."""

from collections.abc import Iterator

from gallery.models.triggers import Trigger, TriggerSet

PREFIX = "sentence_"


def _note(*images: str) -> str:
    return " ".join(
        f"INSERT INTO gallery_sentencechange (image_id) VALUES ({image});"  # noqa: S608 - constants
        for image in images
    )


def _triggers(vendor: str) -> Iterator[Trigger]:
    caption, image = "gallery_caption", "gallery_image"
    yield Trigger(f"{PREFIX}caption_insert", caption, "INSERT", _note("NEW.image_id"))
    yield Trigger(
        f"{PREFIX}caption_update",
        caption,
        "UPDATE OF text, image_id",
        _note("OLD.image_id", "NEW.image_id"),
        ("text", "image_id"),
    )
    yield Trigger(f"{PREFIX}caption_delete", caption, "DELETE", _note("OLD.image_id"))
    yield Trigger(
        f"{PREFIX}title_insert", image, "INSERT", _note("NEW.id"), condition="NEW.title <> ''"
    )
    yield Trigger(f"{PREFIX}title_update", image, "UPDATE OF title", _note("NEW.id"), ("title",))


TRIGGERS = TriggerSet(PREFIX, _triggers)
