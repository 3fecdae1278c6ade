"""Files without a picture go; what belongs to one, is young, or is not ours stays."""

import contextlib
import io
import json
import os
import time
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command

from gallery.models import Image
from tests.pictures_of_colours import add_picture

pytestmark = pytest.mark.django_db


def removed(*options: str) -> set[str]:
    out = io.StringIO()
    with contextlib.suppress(SystemExit):
        call_command("doctor", "--only=leftovers", "--json", *options, stdout=out)
    *found, count = map(json.loads, out.getvalue().splitlines())
    assert count["found"] == len(found)
    assert all(each["mended"] == ("--repair" in options) for each in found)
    return {each["params"]["name"] for each in found}


def age(root: Path) -> None:
    """Make every file two days old."""
    long_ago = time.time() - 2 * 86_400
    for file in root.rglob("*"):
        os.utime(file, (long_ago, long_ago))


def files_of(image: Image) -> set[str]:
    return {str(image.file), *image.ingested_names}


def test_an_empty_gallery_has_none() -> None:
    assert removed() == set()


def test_only_what_nothing_names_is_removed(data_dir: Path) -> None:
    kept, gone, young = (add_picture(colour) for colour in ("red", "blue", "green"))
    Image.objects.filter(pk=gone.pk).delete()  # as in a deletion whose files could not be reached
    half = f"originals/{kept.sha256[:2]}/.tmp-abc"
    default_storage.save(half, ContentFile(b"cut off"))
    foreign = f"originals/{kept.sha256[:2]}/README"
    default_storage.save(foreign, ContentFile(b"put there by somebody"))
    age(data_dir / "media")
    for name in files_of(young):
        os.utime(data_dir / "media" / name)
    Image.objects.filter(pk=young.pk).delete()  # as an upload whose row is not committed yet

    expected = files_of(gone) | {half}
    assert removed() == expected
    assert all(default_storage.exists(name) for name in expected)
    assert removed("--repair") == expected
    assert not any(default_storage.exists(name) for name in expected)
    for name in files_of(kept) | files_of(young) | {foreign}:
        assert default_storage.exists(name)
    assert removed() == set()
