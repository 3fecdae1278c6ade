"""The page of one picture: what everybody sees, and what staff can change."""

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from gallery.models import Caption, Collection, Image, Tag
from gallery.models.choices import Visibility
from tests.pages.conftest import HTMX
from tests.pictures_of_colours import add_picture


def page(client: Client, image: Image) -> str:
    response = client.get(image.get_absolute_url())
    assert response.status_code == 200
    return response.content.decode()


def test_everybody_sees_the_picture_and_its_words(client: Client, picture: Image) -> None:
    picture.collection = Collection.objects.create(name="Squares & more")
    picture.save()
    picture.tags.add(Tag.objects.create(name="plain"))
    html = page(client, picture)
    assert f'src="/images/{picture.pk}/display.webp" alt="A red square" width="48"' in html
    assert f'srcset="/images/{picture.pk}/1600.avif 48w"' in html
    assert f'data-copies="/images/{picture.pk}/"' in html
    assert '<h1 id="picture-heading" dir="auto">A red square</h1>' in html
    assert '<li dir="auto">All of it is red</li>' in html
    assert 'href="/?tag=plain"' in html
    assert 'href="/?collection=Squares%20%26%20more" dir="auto">Squares &amp; more</a>' in html
    assert "48 × 40 pixels" in html
    assert f'href="/?like={picture.pk}"' in html
    assert f'hx-get="/images/{picture.pk}/similar/"' in html


def test_only_staff_are_offered_changes(client: Client, picture: Image, staff: User) -> None:
    for name in ("gallery:image-edit", "gallery:image-delete", "gallery:original"):
        assert reverse(name, args=[picture.pk]) not in page(client, picture)
    client.force_login(staff)
    for name in ("gallery:image-edit", "gallery:image-delete", "gallery:original"):
        assert reverse(name, args=[picture.pk]) in page(client, picture)


def test_words_that_look_like_markup_are_shown_as_words(client: Client, db: None) -> None:
    image = add_picture("red", captions=('<img src=x onerror="alert(1)">',))
    image.tags.add(Tag.objects.create(name="<b>&"))
    html = page(client, image)
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=" in html
    assert "<b>&" not in html


def test_a_picture_page_costs_the_same_whatever_it_holds(
    client: Client, picture: Image, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(3):
        page(client, picture)
    Caption.objects.bulk_create(
        Caption(image=picture, text=f"Caption {n}", order=n) for n in range(5, 20)
    )
    with django_assert_num_queries(3):
        page(client, picture)


def test_staff_edit_all_words_at_once(staff_client: Client, picture: Image) -> None:
    Tag.objects.create(name="old")
    picture.tags.add(Tag.objects.get())
    url = reverse("gallery:image-edit", args=[picture.pk])
    form = staff_client.get(url).content.decode()
    assert "A red square\nAll of it is red</textarea>" in form
    assert 'name="tag_names" value="old"' in form
    response = staff_client.post(
        url,
        {
            "title": "Square",
            "captions": "  All of it   is red \r\n\r\nA square\r\nA square",
            "tag_names": "plain, bright  red,plain",
            "collection_name": "Shapes",
            "visibility": "private",
        },
    )
    assert response.status_code == 302
    assert response["Location"] == picture.get_absolute_url()
    picture.refresh_from_db()
    assert picture.title == "Square"
    assert picture.visibility == Visibility.PRIVATE
    assert picture.collection is not None
    assert picture.collection.name == "Shapes"
    assert [tag.name for tag in picture.tags.all()] == ["bright red", "plain"]
    captions = list(picture.captions.values_list("text", "order", "source"))
    assert captions == [("All of it is red", 0, "import"), ("A square", 1, "person")]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("captions", "x" * 5001, "is too long: 5000 characters at most"),
        ("tag_names", "fine, " + "t" * 101, "is too long: 100 characters at most"),
        ("collection_name", "c" * 121, "at most 120 characters"),
        ("visibility", "nobody", "Select a valid choice"),
        ("title", "nul\x00byte", "Null characters are not allowed"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_is_changed(
    staff_client: Client, picture: Image, field: str, value: str, sentence: str
) -> None:
    data = {"title": "New", "captions": "New", "visibility": "public", field: value}
    response = staff_client.post(reverse("gallery:image-edit", args=[picture.pk]), data)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    picture.refresh_from_db()
    assert picture.title == "red-0"
    assert picture.captions.count() == 2
    assert not Tag.objects.exists()


def test_deleting_asks_first_and_takes_the_files_along(
    staff_client: Client,
    picture: Image,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    url = reverse("gallery:image-delete", args=[picture.pk])
    names = [str(picture.file.name), picture.display_name, picture.thumbnail_name]
    assert "This cannot be undone" in staff_client.get(url).content.decode()
    assert Image.objects.filter(pk=picture.pk).exists()
    assert all(default_storage.exists(name) for name in names)
    with django_capture_on_commit_callbacks(execute=True):
        response = staff_client.post(url, follow=True)
    assert "“red-0” was deleted." in response.content.decode()
    assert not Image.objects.filter(pk=picture.pk).exists()
    assert not any(default_storage.exists(name) for name in names)
    assert staff_client.get(picture.get_absolute_url()).status_code == 404


def test_the_words_alone_are_for_the_gallery(client: Client, picture: Image, staff: User) -> None:
    url = picture.get_absolute_url()
    response = client.get(url, headers=HTMX)
    html = response.content.decode()
    assert html.count("<h1") == html.count("<html") == 0
    assert '<h2 id="lightbox-heading" dir="auto">A red square</h2>' in html
    assert '<li dir="auto">All of it is red</li>' in html
    assert "HX-Request" in response["Vary"]
    assert reverse("gallery:image-collect", args=[picture.pk]) not in html
    client.force_login(staff)
    html = client.get(url, headers=HTMX).content.decode()
    assert reverse("gallery:image-collect", args=[picture.pk]) in html


def test_staff_put_a_picture_into_a_collection(staff_client: Client, picture: Image) -> None:
    url = reverse("gallery:image-collect", args=[picture.pk])
    html = staff_client.post(url, {"collection": " Shapes "}, headers=HTMX).content.decode()
    assert "It is in “Shapes” now." in html
    picture.refresh_from_db()
    assert str(picture.collection) == "Shapes"
    response = staff_client.post(url, {"collection": "c" * 121}, headers=HTMX)
    assert response.status_code == 422
    assert "at most 120 characters" in response.content.decode()
    assert staff_client.post(url, {"collection": ""})["Location"] == picture.get_absolute_url()
    picture.refresh_from_db()
    assert picture.collection is None
    assert staff_client.get(url).status_code == 405


def test_moving_a_picture_says_from_which_collection(staff_client: Client, picture: Image) -> None:
    url = reverse("gallery:image-collect", args=[picture.pk])
    assert "Add to collection" in page(staff_client, picture)
    staff_client.post(url, {"collection": "Shapes"}, headers=HTMX)
    assert "Move to collection" in page(staff_client, picture)
    html = staff_client.post(url, {"collection": "Plain"}, headers=HTMX).content.decode()
    assert "It was moved from “Shapes” to “Plain”." in html
    again = staff_client.post(url, {"collection": "Plain"}, headers=HTMX).content.decode()
    assert "It is in “Plain” now." in again
    html = staff_client.post(url, {"collection": "Shapes"}, follow=True).content.decode()
    assert "It was moved from “Plain” to “Shapes”." in html
    html = staff_client.post(url, {"collection": ""}, follow=True).content.decode()
    assert "It was taken out of “Shapes” and is in no collection now." in html
