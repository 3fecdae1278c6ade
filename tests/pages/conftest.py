"""What the tests of pages share."""

import io
import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from gallery.models import Image
from gallery.models.choices import Visibility
from tests.pictures_of_colours import add_picture, colour_jpeg

HTMX = {"HX-Request": "true"}
"""What htmx sends with every request of its own."""

_BLOCK = (
    r"(?:title|p|div|h[1-6]|ul|ol|li|dl|dt|dd|table|tr|t[hd]|section|form|picture|source|option)"
)


def as_shown(html: str) -> str:
    """A page with its whitespace as a browser shows it: one space, none at the edge of a block."""
    return re.sub(rf" ?(</?{_BLOCK}\b[^>]*>) ?", r"\1", " ".join(html.split()))


@pytest.fixture(autouse=True)
def _fresh_allowance() -> Iterator[None]:
    """No test pays for the searches of another."""
    for cache in caches.all(initialized_only=True):
        cache.clear()
    yield
    for cache in caches.all(initialized_only=True):
        cache.clear()


@pytest.fixture
def staff_client(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


@pytest.fixture
def picture(db: None) -> Image:
    return add_picture("red", captions=("A red square", "All of it is red"))


@pytest.fixture
def hidden(db: None) -> Image:
    return add_picture("blue", visibility=Visibility.PRIVATE)


def uploaded(colour: str, *, shade: int = 0, name: str = "") -> SimpleUploadedFile:
    return SimpleUploadedFile(name or f"{colour}.jpg", colour_jpeg(colour, shade=shade))


def broken(name: str = "half.jpg") -> SimpleUploadedFile:
    """The first part of a picture: its header is whole, its pixels are not."""
    return SimpleUploadedFile(name, colour_jpeg("red", size=(400, 300))[:700])


def sent(name: str, data: bytes) -> io.BytesIO:
    stream = io.BytesIO(data)
    stream.name = name
    return stream
