"""Sources on the pages of staff and in the API."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from gallery.jobs.runner import run_job
from gallery.models import Image, Job, SyncSource
from gallery.models.choices import Visibility
from gallery.uploads import places
from tests.pictures_of_colours import colour_jpeg

pytestmark = pytest.mark.django_db


@pytest.fixture
def inbox(tmp_path: Path, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a red picture, inside a place that may be followed."""
    monkeypatch.setattr(places, "QUIET", 0.01)
    folder = tmp_path / "shares" / "inbox"
    folder.mkdir(parents=True)
    (folder / "red.jpg").write_bytes(colour_jpeg("red"))
    settings.CONTEXTVISION_SYNC_ROOTS = [str(folder.parent)]
    return folder


def form(**values: Any) -> dict[str, Any]:
    return {"interval": "60", "is_enabled": "on", "visibility": "public", **values}


def worked_off() -> Job:
    """Run the look that is queued, as a worker does."""
    job = Job.objects.get(kind=Job.Kind.SYNC, status=Job.Status.QUEUED)
    run_job(job.pk)
    job.refresh_from_db()
    assert job.status == Job.Status.SUCCEEDED, job.error
    return job


def test_a_source_is_added_looked_into_and_what_vanished_hidden(
    staff_client: Client, inbox: Path
) -> None:
    address = reverse("gallery:source-new")
    assert staff_client.get(address).status_code == 200
    sent = form(address="shares/inbox", collection_name="Inbox", tag_names="new, raw")
    added = staff_client.post(address, sent, follow=True)
    source = SyncSource.objects.get()
    assert source.address == str(inbox)
    worked_off()
    [image] = Image.objects.all()
    assert image.collection is not None
    assert (image.collection.name, image.owner) == ("Inbox", source.owner)
    assert {tag.name for tag in image.tags.all()} == {"new", "raw"}
    (inbox / "red.jpg").unlink()
    (inbox / "blue.jpg").write_bytes(colour_jpeg("blue"))
    staff_client.post(reverse("gallery:source-look", args=[source.pk]))
    worked_off()

    shown = staff_client.get(reverse("gallery:source", args=[source.pk])).content.decode()
    assert "red.jpg" in shown
    assert "1 picture is there no more." in shown
    staff_client.post(reverse("gallery:source-hide", args=[source.pk]))
    image.refresh_from_db()
    assert image.visibility == Visibility.PRIVATE

    listed = staff_client.get(reverse("gallery:sources")).content.decode()
    assert "shares/inbox" in listed
    for page in (added.content.decode(), shown, listed):
        assert str(inbox.parent.parent) not in page, "a path of the server"


def test_a_folder_elsewhere_is_refused_without_naming_paths(
    staff_client: Client, inbox: Path, tmp_path: Path
) -> None:
    refused = staff_client.post(reverse("gallery:source-new"), form(address="/etc"))
    assert refused.status_code == 422
    assert "in one of these: imports, shares" in refused.content.decode()
    assert str(tmp_path) not in refused.content.decode()
    assert not SyncSource.objects.exists()


def test_settings_are_changed_and_the_source_is_removed_with_its_pictures_kept(
    staff_client: Client, inbox: Path
) -> None:
    staff_client.post(reverse("gallery:source-new"), form(address=str(inbox)))
    source = SyncSource.objects.get()
    worked_off()
    edit = reverse("gallery:source-edit", args=[source.pk])
    changed = form(interval="9", hide_vanished="on")
    assert staff_client.post(edit, changed).status_code == 422, "more often than workers look"
    staff_client.post(edit, changed | {"interval": "600"})
    source.refresh_from_db()
    assert (source.interval, source.hide_vanished, source.address) == (600, True, str(inbox))
    remove = reverse("gallery:source-remove", args=[source.pk])
    assert staff_client.get(remove).status_code == 200
    staff_client.post(remove)
    assert not SyncSource.objects.exists()
    assert Image.objects.count() == 1


def test_programs_follow_sources_too(staff_client: Client, inbox: Path) -> None:
    def post(address: str, data: dict[str, Any] | None = None) -> Any:
        return staff_client.post(address, data or {}, content_type="application/json")

    def get(address: str, **query: str) -> Any:
        return staff_client.get(address, query)

    sources = reverse("api:source-list")
    wanted = {"address": "shares/inbox", "tags": ["raw"], "hide_vanished": True}
    answer = post(sources, wanted)
    assert answer.status_code == 201
    assert answer.json()["address"] == "shares/inbox"
    assert post(sources, wanted).status_code == 400, "it is followed already"
    address = answer.json()["url"]
    worked_off()
    (inbox / "red.jpg").write_bytes(b"\xff\xd8\xffbroken")
    assert post(f"{address}look/").status_code == 202
    worked_off()

    [file] = get(f"{address}files/").json()["results"]
    assert (file["path"], file["outcome"]) == ("red.jpg", "refused")
    assert file["reason"]["text"]
    assert get(f"{address}files/", outcome="added").json()["results"] == []
    assert get(f"{address}files/", x="1").status_code == 400
    [vanished] = get(f"{address}vanished/").json()["results"]
    assert (vanished["why"], vanished["hidden"]) == ("replaced", True)
    source = get(address).json()
    assert source["last_job"]["result"]["replaced"] == 1
    assert str(inbox.parent) not in str(source)
