"""Which index is live, and going over to another one."""

import shutil

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from gallery.models import Image, IndexVersion, Job
from tests.index_files import folder_of
from tests.pages.conftest import as_shown
from tests.pictures_of_colours import add_picture, run

pytestmark = pytest.mark.django_db

VERSIONS = "/versions/"


@pytest.fixture
def two(indexed: dict[str, Image]) -> tuple[IndexVersion, IndexVersion]:
    """A former index, and the live one."""
    add_picture("red", shade=7)
    run(Job.Kind.EMBED)
    run(Job.Kind.INDEX)
    former, live = IndexVersion.objects.order_by("pk")
    assert live.is_active
    return former, live


def test_the_list(
    staff_client: Client,
    two: tuple[IndexVersion, IndexVersion],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    former, live = two
    add_picture("red", shade=8)
    run(Job.Kind.EMBED)
    with django_assert_num_queries(13):
        html = staff_client.get(VERSIONS).content.decode()
    assert html.count('<span class="badge succeeded">Live</span>') == 3  # model, row, index
    assert reverse("gallery:version-make-active", args=[former.pk]) in html
    assert reverse("gallery:version-make-active", args=[live.pk]) not in html
    assert live.model_version.fingerprint[:8] in html
    assert "1 picture came after the live index was built" in html
    assert "10 of 10 pictures" in page_of(staff_client, live.model_version_id)


def page_of(client: Client, model: int) -> str:
    return client.get(reverse("gallery:model", args=[model])).content.decode()


def test_nothing_yet(staff_client: Client) -> None:
    html = staff_client.get(VERSIONS).content.decode()
    assert "No index has been built yet" in html


def test_going_back_asks_first(
    staff_client: Client, two: tuple[IndexVersion, IndexVersion]
) -> None:
    former, live = two
    url = reverse("gallery:version-make-active", args=[former.pk])
    html = as_shown(staff_client.get(url).content.decode())
    assert f"Index {live.pk}: 9 pictures" in html
    assert f"Index {former.pk}: 8 pictures" in html
    assert IndexVersion.objects.get(is_active=True) == live
    html = staff_client.post(url, follow=True).content.decode()
    assert f"Index {former.pk} is live now." in html
    assert IndexVersion.objects.get(is_active=True) == former


def test_an_index_that_cannot_serve_is_refused_in_words(
    staff_client: Client, two: tuple[IndexVersion, IndexVersion]
) -> None:
    former, live = two
    shutil.rmtree(folder_of(former))
    url = reverse("gallery:version-make-active", args=[former.pk])
    html = staff_client.post(url, follow=True).content.decode()
    assert "Nothing was changed." in html
    assert IndexVersion.objects.get(is_active=True) == live
