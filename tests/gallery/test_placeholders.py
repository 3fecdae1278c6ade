"""The main colour and the placeholder: of new pictures, and of those that came before."""

import base64
import io

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from PIL import Image as PillowImage

from gallery.models import Image
from tests.encoders import COLOURS
from tests.pictures_of_colours import add_many, add_picture

pytestmark = pytest.mark.django_db

CALLED = {"cyan": "teal"}
"""What a picture's colour is called where the name differs from that of the tests."""


def test_a_new_picture_has_a_colour_and_a_placeholder() -> None:
    for colour in COLOURS:
        image = add_picture(colour)
        assert image.dominant_colour == CALLED.get(colour, colour)
        tiny = io.BytesIO(base64.b64decode(image.placeholder))
        with PillowImage.open(tiny) as opened:  # noqa: TID251 - our own
            assert (opened.format, opened.size) == ("WEBP", (16, 13))
        assert len(image.placeholder) < 400


def test_placeholders_are_filled_in_where_they_are_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    images = {image.pk: image for image in add_many(70)}
    Image.objects.exclude(pk=min(images)).update(dominant_colour="", placeholder="")
    lost, broken = sorted(images)[-2:]
    default_storage.delete(images[lost].thumbnail_name)
    default_storage.save(images[broken].thumbnail_name, ContentFile(b"RIFF\0\0\0\0WEBPnothing"))
    call_command("backfill_placeholders")
    out, err = capsys.readouterr()
    assert "67 filled." in out
    assert f"Picture {lost}: its thumbnail is missing." in err
    assert f"Picture {broken}: the file is damaged" in err
    for image in Image.objects.exclude(pk__in=[lost, broken]):
        before = images[image.pk]
        assert image.dominant_colour == before.dominant_colour
        assert abs(len(image.placeholder) - len(before.placeholder)) < 60
    call_command("backfill_placeholders")
    assert "0 filled." in capsys.readouterr().out
