"""Who gets which page: every address, for a visitor, a member and administrators."""

from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, reverse
from PIL import Image as Picture

from gallery import urls as gallery_urls
from gallery.examples import keep_example
from gallery.models import Failure, Image, IndexVersion, Job, ModelVersion, SyncSource
from gallery.services.accounts import give_roles
from mlcore.i18n import Message
from search import urls as search_urls
from tests.encoders import ColourEncoder
from tests.learning import measured, query_set, training
from tests.pages.conftest import HTMX
from tests.pictures_of_colours import add_picture, index_everything

EVERYBODY = (
    "search:home",
    "search:similar",
    "search:example",
    "gallery:image",
    "gallery:thumbnail",
    "gallery:display",
    "gallery:rendition",
)
STAFF = (
    "gallery:image-edit", "gallery:image-delete", "gallery:original", "gallery:upload",
    "gallery:audit", "gallery:job-start", "gallery:job", "gallery:job-cancel", "gallery:job-retry",
    "gallery:failures", "gallery:failures-retry", "gallery:failure-retry", "gallery:failures-csv",
    "gallery:versions", "gallery:version-make-active", "gallery:roll-back", "gallery:model",
    "gallery:model-promote", "gallery:model-propose", "gallery:model-evaluate",
    "gallery:model-export", "gallery:fine-tune",
    "gallery:job-training", "gallery:evaluations", "gallery:evaluation", "gallery:evaluation-json",
    "gallery:evaluation-html", "gallery:compare", "gallery:query-sets", "gallery:query-set-new",
    "gallery:query-set", "gallery:query-set-delete", "gallery:keep-search", "search:status",
    "gallery:job-download", "gallery:model-delete", "gallery:image-collect",
    "gallery:image-captions", "gallery:upload-known", "gallery:upload-file",
    "gallery:upload-finish", "gallery:resumable-uploads", "gallery:resumable-upload",
    "gallery:import", "gallery:sources", "gallery:source-new", "gallery:source",
    "gallery:source-edit", "gallery:source-look", "gallery:source-hide", "gallery:source-remove",
)  # fmt: skip
"""Or, for pictures, also their owner."""
SIGNED_IN = ("gallery:manage", "gallery:saved-searches", "gallery:jobs")
ALL = (*EVERYBODY, *STAFF, *SIGNED_IN)
JOBS_OF_OTHERS = (
    "gallery:job", "gallery:job-cancel", "gallery:job-retry", "gallery:job-training",
)  # fmt: skip
POST_ONLY = {
    "gallery:job-start", "gallery:job-cancel", "gallery:job-retry", "gallery:failures-retry",
    "gallery:failure-retry", "gallery:roll-back", "gallery:image-captions",
    "gallery:upload-known", "gallery:upload-file", "gallery:upload-finish",
    "gallery:resumable-uploads", "gallery:resumable-upload", "gallery:model-export",
    "gallery:image-collect", "gallery:source-look", "gallery:source-hide",
    "gallery:model-propose",
}  # fmt: skip
"""And what takes other methods yet, but not GET."""
OWN = ("gallery:saved-search-rename", "gallery:saved-search-delete")
"""Of things that are there for their owner only; tests/pages/test_saved_searches.py tries them."""
SENDS_ON = {"gallery:compare", "gallery:job-download"}
"""To another page, where there is nothing to send or to compare."""


def test_every_address_is_in_the_lists_of_this_file() -> None:
    known = {
        f"{module.app_name}:{pattern.name}"
        for module in (gallery_urls, search_urls)
        for pattern in module.urlpatterns
        if isinstance(pattern, URLPattern)
    }
    assert known == {*ALL, *OWN}


@pytest.fixture
def addresses(colours: ColourEncoder, db: None) -> dict[str, str]:
    image = add_picture("red")
    add_picture("blue")
    index_everything()
    job = Job.objects.create(
        kind=Job.Kind.EMBED, status=Job.Status.FAILED, error=Message("No space left.")
    )
    Failure.objects.record(Failure.Stage.EMBED, "Picture 1", Message("It is damaged."), image=image)
    model = ModelVersion.objects.get()
    watched = training(Job.Status.SUCCEEDED)
    exported = Job.objects.create(kind=Job.Kind.EXPORT, status=Job.Status.SUCCEEDED)
    evaluation = measured(model, {"all red": (image, 1)})
    kept = query_set({"all red": [image]})
    source = SyncSource.objects.create(address="s3://camera/in")
    keys: dict[str, int | str | UUID] = {
        "search:similar": image.pk,
        "gallery:resumable-upload": UUID(int=0),
        "gallery:model": model.pk,
        "gallery:model-promote": model.pk,
        "gallery:model-propose": model.pk,
        "gallery:model-evaluate": model.pk,
        "gallery:model-export": model.pk,
        "gallery:model-delete": model.pk,
        "gallery:job-download": exported.pk,
        "gallery:job-training": watched.pk,
        "gallery:evaluation": evaluation.pk,
        "gallery:evaluation-json": evaluation.pk,
        "gallery:evaluation-html": evaluation.pk,
        "gallery:query-set": kept.pk,
        "gallery:query-set-delete": kept.pk,
        "gallery:job": job.pk,
        "gallery:job-cancel": job.pk,
        "gallery:job-retry": job.pk,
        "gallery:failure-retry": Failure.objects.get().pk,
        **dict.fromkeys(
            ("gallery:source", "gallery:source-edit", "gallery:source-look"), source.pk
        ),
        **dict.fromkeys(("gallery:source-hide", "gallery:source-remove"), source.pk),
        "gallery:version-make-active": IndexVersion.objects.get().pk,
    }
    keyed: dict[str, int | str | UUID] = {
        name: pk
        for name in ALL
        if (pk := keys.get(name, image.pk if "image" in name or name in _MEDIA else None))
    }
    keyed["search:example"] = keep_example(Picture.new("RGB", (8, 8)))
    found = {
        name: reverse(name, args=[keyed[name]] if name in keyed else None)
        for name in ALL
        if name != "gallery:rendition"
    }
    rendition = [image.pk, Image.RENDITION_SIDES[0], Image.RENDITION_FORMATS[0]]
    return found | {"gallery:rendition": reverse("gallery:rendition", args=rendition)}


_MEDIA = {"gallery:thumbnail", "gallery:display", "gallery:original"}


def test_a_visitor_may_look_and_is_asked_to_sign_in_for_the_rest(
    client: Client, addresses: dict[str, str]
) -> None:
    for name in EVERYBODY:
        assert client.get(addresses[name], headers=HTMX).status_code == 200, name
    for name in (*STAFF, *SIGNED_IN):
        for ask in (client.get, client.post):
            response = ask(addresses[name])
            if response.status_code == 405:
                continue
            assert response.status_code == 302, name
            assert response["Location"].startswith(reverse("login")), name


def test_a_member_may_look_and_is_told_that_the_rest_is_not_for_him(
    client: Client, member: User, addresses: dict[str, str]
) -> None:
    client.force_login(member)
    for name in EVERYBODY:
        assert client.get(addresses[name], headers=HTMX).status_code == 200, name
    for name in SIGNED_IN:
        assert client.get(addresses[name]).status_code == 200, name
    for name in STAFF:
        for ask in (client.get, client.post):
            response = ask(addresses[name])
            # Jobs of others are not there at all, but which kinds may be begun is no secret.
            unknown = name in {*JOBS_OF_OTHERS} and response.status_code == 404
            begins = name == "gallery:job-start" and response.status_code == 302
            assert unknown or begins or response.status_code in {403, 405}, name
            if response.status_code == 403:
                assert b"This page is not for you" in response.content
    assert Image.objects.count() == 2


def test_administrators_open_everything(
    client: Client, staff: User, addresses: dict[str, str]
) -> None:
    give_roles(staff, ["administrator"])
    client.force_login(staff)
    for name in ALL:
        if name in POST_ONLY:
            assert client.get(addresses[name]).status_code == 405, name
        else:
            expected = {302} if name in SENDS_ON else {200}
            assert client.get(addresses[name], headers=HTMX).status_code in expected, name


def test_changes_need_a_token(staff: User, addresses: dict[str, str]) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(staff)
    for name in (*POST_ONLY, "gallery:image-delete", "gallery:image-edit", "gallery:upload"):
        response = careful.post(addresses[name])
        assert response.status_code == 403, name
        assert b"This form is too old to be sent" in response.content
    assert Image.objects.count() == 2
    assert Job.objects.exclude(status=Job.Status.SUCCEEDED).count() == 1


def test_a_fragment_whose_session_has_ended_sends_the_whole_page_to_the_login(
    client: Client, addresses: dict[str, str]
) -> None:
    response = client.get(addresses["gallery:jobs"], headers=HTMX)
    assert response["HX-Redirect"] == reverse("login")
