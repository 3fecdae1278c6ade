"""What a person may see stays out of caches, and pages are denied what they do not use."""

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client

from contextvision_site.celery import app
from gallery.models import Image
from gallery.models.choices import Visibility
from tests.pages.conftest import uploaded
from tests.pictures_of_colours import add_picture

pytestmark = pytest.mark.django_db

PAGES = ("/", "/upload/", "/manage/", "/jobs/", "/status/", "/nowhere/", "/api/v1/images/")


def test_what_a_person_sees_is_kept_by_no_cache(client: Client, staff: User) -> None:
    hidden = add_picture("blue", visibility=Visibility.PRIVATE)
    client.force_login(staff)
    for page in (*PAGES, hidden.get_absolute_url(), f"/api/v1/images/{hidden.pk}/"):
        kept = client.get(page)["Cache-Control"]
        assert "no-store" in kept, page
        assert "private" in kept, page
    # Its file may be asked for again, but only of the site, which asks for permission.
    media = client.get(hidden.thumbnail_url)
    assert media["Cache-Control"] == "private, no-cache"


def test_a_token_counts_as_a_person(client: Client) -> None:
    answer = client.get("/api/v1/images/", headers={"Authorization": "Token nonsense"})
    assert "no-store" in answer["Cache-Control"]


def test_strangers_are_told_nothing_of_caches(client: Client) -> None:
    assert not client.get("/").has_header("Cache-Control")


def test_every_answer_denies_what_no_page_uses(client: Client, picture: Image) -> None:
    for page in (*PAGES, "/livez", "/accounts/login/", picture.thumbnail_url):
        policy = client.get(page)["Permissions-Policy"]
        assert "camera=()" in policy
        assert "geolocation=()" in policy


@pytest.fixture
def picture() -> Image:
    return add_picture("red")


def test_one_address_keeps_so_many_example_pictures(
    client: Client, indexed: dict[str, Image], settings: LazySettings
) -> None:
    rates = {**settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "examples": "2/hour"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    for cache in caches.all():
        cache.clear()
    statuses = [client.post("/", {"image": uploaded("red")}).status_code for _ in range(3)]
    assert statuses == [302, 302, 429]
    assert client.get("/", {"q": "red"}).status_code == 200
    other = client.post("/", {"image": uploaded("red")}, REMOTE_ADDR="192.0.2.7")
    assert other.status_code == 302


def test_a_worker_never_gives_up_its_broker() -> None:
    assert app.conf.broker_connection_retry is True
    assert app.conf.broker_connection_max_retries is None
