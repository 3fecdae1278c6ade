"""Pages and problems in the language that a person has chosen or their program asks for."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from gallery.models import Image, Job, ModelVersion
from mlcore.i18n import Message
from tests.learning import candidate
from tests.pages.conftest import as_shown, broken

pytestmark = pytest.mark.django_db

GERMAN = {"Accept-Language": "de-CH,de;q=0.9,en;q=0.5"}


def test_english_unless_something_else_is_asked_for(client: Client) -> None:
    html = client.get(reverse("login")).content.decode()
    assert '<html lang="en" dir="ltr">' in html
    french = client.get(reverse("login"), headers={"Accept-Language": "fr"}).content.decode()
    assert '<html lang="en" dir="ltr">' in french


def test_the_browser_says_which_language_is_read(client: Client) -> None:
    response = client.get(reverse("login"), headers=GERMAN)
    html = response.content.decode()
    assert '<html lang="de" dir="ltr">' in html
    assert "<h1>Anmelden</h1>" in html
    assert "Accept-Language" in response["Vary"]


def test_a_language_that_was_chosen_stays(client: Client) -> None:
    """Chosen on any page, without JavaScript, and kept for a year against the browser's own."""
    page = reverse("login") + "?next=/jobs/"
    html = client.get(page, headers=GERMAN).content.decode()
    assert 'name="language" value="en" lang="en">English</button>' in html
    assert 'value="de" lang="de" aria-current="true">Deutsch</button>' in html
    response = client.post(
        reverse("set_language"), {"language": "en"}, headers={"Referer": f"http://testserver{page}"}
    )
    assert response["Location"] == f"http://testserver{page}"
    cookie = response.cookies["django_language"]
    assert cookie["max-age"] == 365 * 24 * 60 * 60
    assert cookie["httponly"]
    assert "Sign in" in client.get(page, headers=GERMAN).content.decode()


def test_choosing_a_language_leads_to_no_other_site(client: Client) -> None:
    data = {"language": "de", "next": "https://evil.example/"}
    assert client.post(reverse("set_language"), data)["Location"] == "/"


def test_error_pages_speak_it_too(client: Client, member: User) -> None:
    assert "Hier ist nichts" in client.get("/no/such/page", headers=GERMAN).content.decode()
    client.force_login(member)
    response = client.get(reverse("gallery:failures"), headers=GERMAN)
    assert "Diese Seite ist nicht für dich" in response.content.decode()


def test_the_api_puts_problems_into_words_of_the_language(client: Client) -> None:
    """What programs go by stays as it is."""
    address = reverse("api:search")
    english, german = (client.get(address, headers=headers).json() for headers in ({}, GERMAN))
    assert english["type"] == german["type"] == "urn:contextvision:problem:invalid-query"
    assert english["title"] == "Nothing to search by"
    assert german["title"] == "Nichts, wonach zu suchen wäre"
    assert german["detail"].startswith("Es gibt nichts zu suchen")


def test_a_refused_picture_is_told_in_the_language(client: Client, staff: User) -> None:
    """Though another process looked at it."""
    client.force_login(staff)
    data = {"pictures": [broken("halb.jpg")], "visibility": "public"}
    html = client.post(reverse("gallery:upload"), data, headers=GERMAN).content.decode()
    assert "halb.jpg: die Datei ist beschädigt oder unvollständig" in html


def test_what_a_worker_says_is_told_in_the_language(client: Client, staff: User) -> None:
    """Its rows keep codes, so that also why something failed is told as the reader speaks."""
    client.force_login(staff)
    job = Job.objects.create(kind=Job.Kind.EMBED)
    running = Job.objects.claim(job.pk)
    assert running is not None
    stage = Message.of("stage.embedding_shared", workers=3)
    running.change(message=stage, done=5, total=10)
    running.note(stage)
    url = reverse("gallery:job", args=[job.pk])
    german = as_shown(client.get(url, headers=GERMAN).content.decode())
    assert "Einbetten auf 3 Workern: Bilder: 5 von 10" in german
    assert "Embedding on" not in german
    assert "Embedding on 3 workers: 5 of 10" in as_shown(client.get(url).content.decode())
    running.finish(Job.Status.FAILED, error=Message.of("training.no_such_base", id="1234"))
    german = client.get(url, headers=GERMAN).content.decode()
    log = re.findall(r"</time> <span>(.*?)</span>", german)
    assert log == [
        "Begonnen.",
        "Einbetten auf 3 Workern",
        "Fehlgeschlagen. Es gibt kein Modell 1234, von dem auszugehen wäre.",
    ]


def test_what_stops_a_job_is_told_in_the_language(client: Client, staff: User) -> None:
    client.force_login(staff)
    job = Job.objects.create(kind=Job.Kind.EMBED)
    url = reverse("gallery:job-cancel", args=[job.pk])
    html = client.post(url, headers=GERMAN, follow=True).content.decode()
    assert f"Auftrag {job.pk}: Bilder einbetten wird angehalten." in html


def test_refusals_about_models_are_told_in_the_language(
    client: Client, staff: User, indexed: dict[str, Image]
) -> None:
    client.force_login(staff)
    live = ModelVersion.objects.get()
    url = reverse("gallery:model-delete", args=[live.pk])
    assert "colours ist aktiv." in client.get(url, headers=GERMAN).content.decode()
    html = client.post(url, headers=GERMAN, follow=True).content.decode()
    assert "Nichts wurde gelöscht. colours ist aktiv." in html
    worse = candidate(live, "worse", passed=False)
    url = reverse("gallery:model-promote", args=[worse.pk])
    client.post(url, {"reason": "A test."})
    html = client.post(url, {"reason": "Another one."}, headers=GERMAN).content.decode()
    assert "übernimmt worse schon, ohne diesen Grund." in html


def test_figures_and_dates_are_written_as_the_language_does(client: Client, picture: Image) -> None:
    Image.objects.update(created_at=datetime(2026, 5, 17, 9, 30, tzinfo=UTC))
    assert "17 May 2026" in client.get(picture.get_absolute_url()).content.decode()
    german = client.get(picture.get_absolute_url(), headers=GERMAN).content.decode()
    assert "17. Mai 2026" in german
    assert f"like={picture.pk}" in german
