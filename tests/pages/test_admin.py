"""The admin: every table, many pictures at once, actions, and who may use them."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from gallery.models import (
    Failure,
    Image,
    ImageEmbedding,
    IndexVersion,
    Job,
    ModelVersion,
    Promotion,
    SavedQuerySet,
    SentenceEmbedding,
    Tag,
    WorkerPulse,
)
from gallery.models.choices import Visibility
from gallery.pipelines.sentences import read_sentences
from mlcore.i18n import Message
from tests.learning import candidate, measured, query_set, training
from tests.pages.conftest import as_shown, broken, uploaded
from tests.pictures_of_colours import add_picture, run

pytestmark = pytest.mark.django_db

MODELS = [model._meta.model_name for model in apps.get_app_config("gallery").get_models()]
IMAGES = "/admin/gallery/image/"
INDEXES = "/admin/gallery/indexversion/"
MODEL_VERSIONS = "/admin/gallery/modelversion/"


@pytest.fixture
def boss(client: Client, db: None) -> Client:
    """A superuser's browser."""
    client.force_login(User.objects.create_superuser("boss", password="a long password"))
    return client


def allow(user: User, *codenames: str) -> None:
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))


def act(client: Client, url: str, action: str, *pks: int, **more: str) -> str:
    data = {"action": action, "_selected_action": [str(pk) for pk in pks], **more}
    return client.post(url, data, follow=True).content.decode()


def test_every_table_is_there(boss: Client, indexed: dict[str, Image]) -> None:
    Failure.objects.record(Failure.Stage.EMBED, "Picture 1", Message("Bad."), image=indexed["red"])
    WorkerPulse.objects.beat("worker@here", "default")
    indexed["red"].tags.add(Tag.objects.create(name="plain"))
    measured(ModelVersion.objects.get(), {"red": (indexed["red"], 1)})
    query_set({"red": [indexed["red"]]})
    training()
    Promotion.objects.create(model_version=ModelVersion.objects.get())
    for model in apps.get_app_config("gallery").get_models():
        if model._meta.auto_created:
            continue
        assert admin.site.is_registered(model), model
        listed = f"/admin/gallery/{model._meta.model_name}/"
        assert boss.get(listed).status_code == 200
        row = model._default_manager.first()
        if row is not None:
            assert boss.get(f"{listed}{row.pk}/change/").status_code == 200, model


def test_rows_that_the_program_writes_cannot_be_made_or_rewritten_by_hand(
    boss: Client, indexed: dict[str, Image]
) -> None:
    for name in (
        "imageembedding", "modelversion", "indexversion", "job", "failure", "workerpulse",
        "evaluation", "promotion", "savedqueryset", "savedquery", "jobmetric", "sentenceembedding",
    ):  # fmt: skip
        assert boss.get(f"/admin/gallery/{name}/add/").status_code == 403, name
    job = Job.objects.latest("pk")
    boss.post(f"/admin/gallery/job/{job.pk}/change/", {"status": "queued", "error": "forged"})
    job.refresh_from_db()
    assert job.status == Job.Status.SUCCEEDED
    version = IndexVersion.objects.get()
    assert boss.post(f"{INDEXES}{version.pk}/delete/", {"post": "yes"}).status_code == 403
    assert 'name="_save"' not in boss.get(f"{INDEXES}{version.pk}/change/").content.decode()


def test_what_is_removed_of_sentences_is_read_again(
    boss: Client, indexed: dict[str, Image]
) -> None:
    doomed = list(SentenceEmbedding.objects.order_by("pk")[:3])
    listed = "/admin/gallery/sentenceembedding/"
    boss.post(f"{listed}{doomed[0].pk}/delete/", {"post": "yes"})
    chosen = [row.pk for row in doomed[1:]]
    boss.post(listed, {"action": "delete_selected", "_selected_action": chosen, "post": "yes"})
    assert not SentenceEmbedding.objects.filter(pk__in=[row.pk for row in doomed]).exists()
    assert read_sentences() == 3


def test_pictures_are_listed_with_thumbnails_and_searched(
    boss: Client, picture: Image, hidden: Image
) -> None:
    html = boss.get(IMAGES).content.decode()
    for image in (picture, hidden):
        assert f'src="{reverse("gallery:thumbnail", args=[image.pk])}"' in html
    assert str(picture.file.name) not in html
    html = boss.get(IMAGES, {"q": "square"}).content.decode()
    assert f"{IMAGES}{picture.pk}/change/" in html
    assert f"{IMAGES}{hidden.pk}/change/" not in html
    html = boss.get(IMAGES, {"visibility__exact": "private"}).content.decode()
    assert f"{IMAGES}{picture.pk}/change/" not in html


def test_a_search_of_more_words_than_a_database_takes_is_refused(
    boss: Client, picture: Image
) -> None:
    html = boss.get(IMAGES, {"q": "red " * 2_000}).content.decode()
    assert "Search for at most 300 characters." in html


def test_the_list_of_pictures_costs_the_same_whatever_its_length(
    boss: Client, picture: Image, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(10):
        boss.get(IMAGES)
    for shade in range(1, 6):
        add_picture("red", shade=shade, captions=("a", "b"))
    with django_assert_num_queries(10):
        boss.get(IMAGES)


def test_the_original_is_offered_only_through_its_own_page(boss: Client, picture: Image) -> None:
    html = boss.get(f"{IMAGES}{picture.pk}/change/").content.decode()
    assert reverse("gallery:original", args=[picture.pk]) in html
    assert str(picture.file.name) not in html


def test_many_pictures_at_once_with_captions(boss: Client) -> None:
    assert f'href="{IMAGES}add/">Upload pictures' in boss.get(IMAGES).content.decode()
    files = [uploaded("red"), uploaded("blue"), broken("half.jpg")]
    data = {
        "pictures": files,
        "captions": "A colour\nblue.jpg: It is blue",
        "visibility": "private",
        "tags": "admin",
    }
    assert boss.get(f"{IMAGES}add/").status_code == 200
    html = as_shown(boss.post(f"{IMAGES}add/", data).content.decode())
    assert "2 new, 1 refused" in html
    assert "half.jpg: the file is damaged" in html
    blue, red = Image.objects.all()
    assert [caption.text for caption in blue.captions.all()] == ["It is blue", "A colour"]
    assert [caption.text for caption in red.captions.all()] == ["A colour"]
    assert {blue.visibility, red.visibility} == {Visibility.PRIVATE}
    job = Job.objects.get()
    assert job.params == {"images": [red.pk, blue.pk]}
    assert reverse("gallery:job", args=[job.pk]) in html


def test_a_picture_is_changed_and_its_captions_with_it(boss: Client, picture: Image) -> None:
    first, second = picture.captions.all()
    data = {
        "title": "Square",
        "visibility": "private",
        "captions-TOTAL_FORMS": "3",
        "captions-INITIAL_FORMS": "2",
        "captions-0-id": str(first.pk),
        "captions-0-image": str(picture.pk),
        "captions-0-order": "0",
        "captions-0-text": "Red all over",
        "captions-0-source": "person",
        "captions-1-id": str(second.pk),
        "captions-1-image": str(picture.pk),
        "captions-1-order": "1",
        "captions-1-text": second.text,
        "captions-1-source": "import",
        "captions-1-DELETE": "on",
        "captions-2-image": str(picture.pk),
        "captions-2-order": "2",
        "captions-2-text": "A third one",
        "captions-2-source": "person",
    }
    response = boss.post(f"{IMAGES}{picture.pk}/change/", data)
    assert response.status_code == 302, response.content
    picture.refresh_from_db()
    assert picture.visibility == Visibility.PRIVATE
    assert [caption.text for caption in picture.captions.all()] == ["Red all over", "A third one"]


def test_deleting_pictures_takes_their_files_along(
    boss: Client,
    picture: Image,
    hidden: Image,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        act(boss, IMAGES, "delete_selected", picture.pk, post="yes")
        boss.post(f"{IMAGES}{hidden.pk}/delete/", {"post": "yes"})
    assert not Image.objects.exists()
    for image in (picture, hidden):
        assert not default_storage.exists(image.thumbnail_name)
        assert not default_storage.exists(str(image.file.name))


def test_the_embed_action_asks_first_and_queues_a_job_that_can_be_watched(
    boss: Client, picture: Image, hidden: Image
) -> None:
    html = act(boss, IMAGES, "embed", picture.pk)
    assert "Embed 1 picture?" in html
    assert "1 picture has no vector yet" in html
    assert not Job.objects.exists()
    html = act(boss, IMAGES, "embed", picture.pk, confirmed="yes")
    job = Job.objects.get()
    assert job.kind == Job.Kind.EMBED
    assert job.params == {"images": [picture.pk]}
    assert job.created_by is not None
    assert f'<a href="{reverse("gallery:job", args=[job.pk])}">' in html


def test_pictures_that_have_a_vector_are_told_from_those_that_get_one(
    boss: Client, indexed: dict[str, Image]
) -> None:
    new = add_picture("red", shade=3)
    html = act(boss, IMAGES, "embed", new.pk, indexed["red"].pk)
    assert "Embed 2 pictures?" in html
    assert "1 picture has no vector yet" in html


def test_all_of_a_list_is_confirmed_as_all_of_it(boss: Client, picture: Image) -> None:
    """Not as one field of the form for each: there may be more of them than a form may have."""
    chosen = [picture, *(add_picture("blue", shade=shade) for shade in range(12))]
    every = {"select_across": "1"}
    html = act(boss, IMAGES, "embed", picture.pk, **every)
    assert "Embed 13 pictures?" in html
    assert html.count("<li>blue-") == 10
    assert html.count('name="_selected_action"') == 1
    assert '<input type="hidden" name="select_across" value="1">' in html
    act(boss, IMAGES, "embed", picture.pk, confirmed="yes", **every)
    assert Job.objects.get().params == {"images": sorted(image.pk for image in chosen)}


@pytest.mark.parametrize("url", [IMAGES, INDEXES])
def test_the_rebuild_action_asks_first(boss: Client, indexed: dict[str, Image], url: str) -> None:
    pk = IndexVersion.objects.get().pk if url == INDEXES else indexed["red"].pk
    before = Job.objects.count()
    html = act(boss, url, "rebuild_index", pk)
    assert "Rebuild the index?" in html
    assert Job.objects.count() == before
    html = act(boss, url, "rebuild_index", pk, confirmed="yes")
    job = Job.objects.latest("pk")
    assert (job.kind, job.status) == (Job.Kind.INDEX, Job.Status.QUEUED)
    assert f'<a href="{reverse("gallery:job", args=[job.pk])}">' in html


def test_the_rebuild_button_asks_first(boss: Client, db: None) -> None:
    url = reverse("admin:gallery_indexversion_rebuild")
    assert url in boss.get(INDEXES).content.decode()
    assert "Rebuild the index?" in boss.get(url).content.decode()
    assert not Job.objects.exists()
    boss.post(url, {"confirmed": "yes"})
    assert Job.objects.get().kind == Job.Kind.INDEX


def test_make_active_asks_first_and_then_goes_back(boss: Client, indexed: dict[str, Image]) -> None:
    run(Job.Kind.INDEX)
    live, former = IndexVersion.objects.all()
    html = act(boss, INDEXES, "make_active", former.pk)
    assert f"Make index {former.pk} live?" in html
    assert IndexVersion.objects.get(is_active=True) == live
    html = act(boss, INDEXES, "make_active", former.pk, confirmed="yes")
    assert f"Index {former.pk} is live now." in html
    assert IndexVersion.objects.get(is_active=True) == former
    assert "is live already" in act(boss, INDEXES, "make_active", former.pk)
    assert "Choose one index" in act(boss, INDEXES, "make_active", former.pk, live.pk)


def test_models_lead_to_the_page_where_they_are_evaluated_taught_and_promoted(
    boss: Client, indexed: dict[str, Image]
) -> None:
    tuned = candidate(ModelVersion.objects.get())
    html = boss.get(MODEL_VERSIONS).content.decode()
    assert f'<a href="{reverse("gallery:model", args=[tuned.pk])}">' in html
    assert 'name="action"' not in html


def test_query_sets_are_looked_at_and_deleted(boss: Client, indexed: dict[str, Image]) -> None:
    saved = query_set({"something red": [indexed["red"]]})
    url = f"/admin/gallery/savedqueryset/{saved.pk}"
    html = boss.get(f"{url}/change/").content.decode()
    assert "something red" in html
    assert (
        reverse("gallery:query-set", args=[saved.pk])
        in boss.get("/admin/gallery/savedqueryset/").content.decode()
    )
    boss.post(f"{url}/delete/", {"post": "yes"})
    assert not SavedQuerySet.objects.exists()


def test_jobs_lead_to_the_page_where_they_are_stopped_and_started_again(boss: Client) -> None:
    job = Job.objects.create(kind=Job.Kind.EMBED, done=30, total=40)
    html = boss.get("/admin/gallery/job/").content.decode()
    assert '<progress max="40" value="30" aria-label="Progress"></progress> 75 %' in html
    assert f'<a href="{reverse("gallery:job", args=[job.pk])}">' in html


def test_failures_lead_to_the_page_where_they_are_tried_again(boss: Client, picture: Image) -> None:
    Failure.objects.record(Failure.Stage.EMBED, "Picture 1", Message("Bad."), image=picture)
    html = boss.get("/admin/gallery/failure/").content.decode()
    assert f'<a href="{reverse("gallery:failures")}?stage=embed">Try again</a>' in html


@pytest.fixture
def bare(db: None) -> User:
    """Somebody who may open the admin, and has no role."""
    return User.objects.create_user("bare", is_staff=True)


def test_staff_without_permissions_get_nothing(
    client: Client, bare: User, indexed: dict[str, Image]
) -> None:
    client.force_login(bare)
    for name in MODELS:
        assert client.get(f"/admin/gallery/{name}/").status_code in {403, 404}, name
    assert client.get(reverse("admin:gallery_indexversion_rebuild")).status_code == 403
    assert client.get(f"{IMAGES}add/").status_code == 403


def test_staff_who_may_only_look_get_no_action(
    client: Client, bare: User, indexed: dict[str, Image]
) -> None:
    allow(bare, "view_image", "view_indexversion", "view_job", "view_failure")
    client.force_login(bare)
    run(Job.Kind.INDEX)
    former = IndexVersion.objects.last()
    assert former is not None
    jobs = Job.objects.count()
    for url in (IMAGES, INDEXES, "/admin/gallery/job/", "/admin/gallery/failure/"):
        html = client.get(url).content.decode()
        assert 'name="action"' not in html, url
        assert "Upload pictures" not in html
        assert "Rebuild the index" not in html
    act(client, IMAGES, "embed", indexed["red"].pk, confirmed="yes")
    act(client, IMAGES, "rebuild_index", indexed["red"].pk, confirmed="yes")
    act(client, INDEXES, "make_active", former.pk, confirmed="yes")
    assert Job.objects.count() == jobs
    former.refresh_from_db()
    assert not former.is_active
    red = f"{IMAGES}{indexed['red'].pk}/change/"
    assert client.post(red, {"title": "forged"}).status_code == 403


def test_each_permission_opens_its_own_action(
    client: Client, bare: User, indexed: dict[str, Image]
) -> None:
    allow(bare, "view_image", "add_job", "add_image")
    client.force_login(bare)
    html = client.get(IMAGES).content.decode()
    assert '<option value="embed">' in html
    assert '<option value="rebuild_index">' not in html
    assert "Upload pictures" in html
    allow(bare, "add_indexversion", "change_indexversion", "view_indexversion")
    client.force_login(User.objects.get(pk=bare.pk))
    assert '<option value="rebuild_index">' in client.get(IMAGES).content.decode()
    assert '<option value="make_active">' in client.get(INDEXES).content.decode()


def test_vectors_are_listed_without_being_read(boss: Client, indexed: dict[str, Image]) -> None:
    row = ImageEmbedding.objects.defer("vector").first()
    assert row is not None
    listed = "/admin/gallery/imageembedding/"
    with CaptureQueriesContext(connection) as queries:
        html = boss.get(listed).content.decode()
        boss.get(f"{listed}{row.pk}/change/")
    assert html.count('class="admin-thumbnail"') == len(indexed)
    assert not any('"vector"' in query["sql"] for query in queries)
