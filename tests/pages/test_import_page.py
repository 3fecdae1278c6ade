"""What lies on the server, or was uploaded, is imported from the page and over the API alike."""

import zipfile
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client

from gallery.jobs.runner import run_job
from gallery.models import Caption, Image, Job
from gallery.services.imports import NoSuchSourceError, find_source
from mlcore.progress import NoProgress
from tests.pictures_of_colours import colour_jpeg

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(settings: LazySettings) -> Path:
    """Two pictures with captions in a column that has to be named."""
    folder = Path(settings.IMPORT_DIR) / "cats"
    folder.mkdir(parents=True)
    for name in ("red", "blue"):
        (folder / f"{name}.jpg").write_bytes(colour_jpeg(name))
    (folder / "list.csv").write_text("file,prompt\nred.jpg,a red one\nblue.jpg,a blue one\n")
    (folder / "notes.pdf").write_bytes(b"%PDF-1.4")
    return folder


OPTIONS = {"layout": "table", "caption_column": "prompt"}


def test_the_api_looks_first_and_then_imports(staff_client: Client, folder: Path) -> None:
    listed = staff_client.get("/api/v1/imports/").json()
    assert listed == [{"source": "cats", "name": "cats", "uploaded": False}]
    asked = {"source": "cats", "dry_run": True, **OPTIONS}
    response = staff_client.post("/api/v1/imports/", asked, content_type="application/json")
    assert response.status_code == 202, response.json()
    look = Job.objects.get(pk=response.json()["id"])
    run_job(look.pk, watcher=NoProgress())
    told = staff_client.get(response.json()["url"]).json()
    assert told["result"]["found"] == told["result"]["captions"] == 2
    assert told["result"]["examples"] == ["red.jpg: a red one", "blue.jpg: a blue one"]
    assert told["result"]["passed_over"] == {"documents": 1}
    assert told["params"]["path"] == "cats"
    assert not Image.objects.exists()
    asked = {"source": "cats", "tags": ["cat"], **OPTIONS}
    response = staff_client.post("/api/v1/imports/", asked, content_type="application/json")
    run_job(response.json()["id"], watcher=NoProgress())
    assert set(Caption.objects.values_list("text", flat=True)) == {"a red one", "a blue one"}
    assert Image.objects.filter(tags__name="cat").count() == 2


def test_the_page_looks_first_and_then_offers_the_import(
    staff_client: Client, folder: Path
) -> None:
    page = staff_client.get("/import/")
    assert "cats" in page.content.decode()
    asked = {"source": "cats", "visibility": "private", "dry_run": "on", **OPTIONS}
    asked |= {"captions": "all of it\nred.jpg: for one", "tags": "cat", "collection": "Cats"}
    response = staff_client.post("/import/", asked)
    look = Job.objects.get()
    assert response.url == f"/jobs/{look.pk}/"  # type: ignore[attr-defined]
    run_job(look.pk, watcher=NoProgress())
    assert not Image.objects.exists()
    shown = staff_client.get(f"/jobs/{look.pk}/").content.decode()
    assert "2 pictures with 2 captions would be read" in shown
    assert str(folder) not in shown
    assert f"/import/?again={look.pk}" in shown
    again = staff_client.get(f"/import/?again={look.pk}").context["form"].initial
    assert again["caption_column"] == "prompt"
    assert again["captions"] == "all of it\nred.jpg: for one"
    response = staff_client.post("/import/", asked | {"dry_run": ""})
    run_job(Job.objects.latest("pk").pk, watcher=NoProgress())
    red = Image.objects.get(source="red.jpg")
    assert [each.text for each in red.captions.all()] == ["a red one", "for one", "all of it"]
    assert red.visibility == "private"
    assert red.collection is not None
    assert red.collection.name == "Cats"


@pytest.mark.parametrize(
    "key", ["", ".", "..", "../other", "/etc", "cats/../../other", "no-such-thing", "a\0b", "link"]
)
def test_nothing_outside_of_the_folder_is_named(
    staff_client: Client, staff: User, folder: Path, key: str
) -> None:
    (folder.parents[1] / "other").mkdir()
    (folder.parent / "link").symlink_to(folder.parents[1] / "other")
    with pytest.raises(NoSuchSourceError):
        find_source(key, staff)
    response = staff_client.post(
        "/api/v1/imports/", {"source": key}, content_type="application/json"
    )
    assert response.status_code == 400
    assert set(response.json()["errors"]) == {"source"}
    assert str(folder.parents[1]) not in response.content.decode()
    assert not Job.objects.exists()


def test_a_folder_below_is_named_by_its_path(staff: User, folder: Path) -> None:
    packed = folder / "more" / "set.zip"
    packed.parent.mkdir()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("red.jpg", colour_jpeg("red"))
    assert find_source("cats/more/set.zip", staff).path == packed.resolve()


@pytest.mark.parametrize(
    ("field", "value"), [("layout", "xml"), ("captoin_column", "text"), ("dry_run", "perhaps")]
)
def test_what_makes_no_sense_is_refused_by_name(
    staff_client: Client, folder: Path, field: str, value: str
) -> None:
    response = staff_client.post(
        "/api/v1/imports/", {"source": "cats", field: value}, content_type="application/json"
    )
    assert response.status_code == 400
    assert set(response.json()["errors"]) == {field}
    assert not Job.objects.exists()
