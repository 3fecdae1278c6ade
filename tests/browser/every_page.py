"""The address of every page of the site, with something on each, some of it hostile."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from gallery.models import (
    Failure,
    Image,
    IndexVersion,
    Job,
    ModelVersion,
    Promotion,
    SavedSearch,
    SyncedFile,
    SyncSource,
    Tag,
    VanishedPicture,
)
from mlcore.i18n import Message
from tests.learning import COMPOSITION, candidate, measured, query_set, training
from tests.pictures_of_colours import add_picture, run

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'>"


@pytest.fixture
def addresses(gallery: dict[str, Image], boss: User) -> list[str]:
    """Every page of the site, with something on each."""
    run(Job.Kind.INDEX)
    hostile = add_picture("red", shade=5, captions=(HOSTILE, "x" * 200))
    hostile.tags.add(Tag.objects.create(name=HOSTILE[:60]))
    Image.objects.filter(pk=hostile.pk).update(title=HOSTILE)
    run(Job.Kind.EMBED)
    failed = Job.objects.create(
        kind=Job.Kind.IMPORT,
        status=Job.Status.FAILED,
        error=Message(f"The folder {'long' * 40} holds no pictures. {HOSTILE}"),
        params={"path": "/" + "deep" * 50},
    )
    Failure.objects.record(
        Failure.Stage.IMPORT, "f" * 250, Message(f"Damaged. {HOSTILE}"), job=failed
    )
    Failure.objects.update(last_seen=timezone.now() - timedelta(days=16))  # a long way to say it
    Job.objects.create(
        kind=Job.Kind.EMBED, status=Job.Status.FAILED, error=Message("x"), is_defect=True
    )
    Job.objects.create(
        kind=Job.Kind.EMBED, status=Job.Status.RUNNING, done=5, total=10, created_by=boss
    )
    former = IndexVersion.objects.last()
    assert former is not None
    live = ModelVersion.objects.get()
    ranks = {HOSTILE: (hostile, 3), "x" * 200: (gallery["red"], 12)}
    before = measured(live, ranks, composition=COMPOSITION, top=[hostile, gallery["blue"]])
    tuned = candidate(live, f"{HOSTILE} {'long' * 30}", passed=False, job=training())
    after = measured(tuned, ranks | {HOSTILE: (hostile, 1)}, composition=COMPOSITION)
    kept = query_set({HOSTILE: [hostile], "red": [gallery["red"]]}, name=HOSTILE)
    SavedSearch.objects.create(owner=boss, name=HOSTILE, query="q=red")
    Promotion.objects.create(model_version=tuned, former_model=live, override_reason="y" * 300)
    source = SyncSource.objects.create(address=f"s3://{'long' * 30}/{HOSTILE}", last_job=failed)
    SyncedFile.objects.create(source=source, path=HOSTILE, size=1, outcome="refused")
    VanishedPicture.objects.create(source=source, path="f" * 250, image=hostile, why="gone")
    return [
        "/",
        "/?filters=1",
        f"/?q={'long' * 70}&without=blue&unlike={hostile.pk}^2&collection=Paintings&filters=1",
        f"/?like={hostile.pk}",
        f"/?q={'x' * 301}",
        hostile.get_absolute_url(),
        f"{hostile.get_absolute_url()}edit/",
        f"{hostile.get_absolute_url()}delete/",
        "/upload/",
        "/import/",
        "/jobs/",
        f"/jobs/{failed.pk}/",
        "/failures/",
        "/sources/",
        "/sources/new/",
        f"/sources/{source.pk}/",
        f"/sources/{source.pk}/edit/",
        f"/sources/{source.pk}/remove/",
        "/audit/",
        "/versions/",
        f"/versions/{former.pk}/make-active/",
        f"/models/{live.pk}/",
        f"/models/{tuned.pk}/",
        f"/models/{tuned.pk}/promote/",
        f"/models/{tuned.pk}/evaluate/",
        f"/jobs/{tuned.job_id}/",
        "/fine-tune/",
        "/evaluations/",
        f"/evaluations/{after.pk}/",
        f"/evaluations/compare/?live={before.pk}&candidate={after.pk}",
        "/query-sets/",
        "/query-sets/new/",
        f"/query-sets/{kept.pk}/",
        f"/query-sets/{kept.pk}/delete/",
        f"/query-sets/keep-search/?q=red&image={hostile.pk}&image={gallery['red'].pk}",
        "/saved/",
        "/accounts/login/",
        reverse("password_change"),
        "/no/such/page",
    ]


@pytest.fixture
def admin_addresses(addresses: list[str]) -> list[str]:
    image = Image.objects.latest("pk")
    tables = (
        "image", "caption", "tag", "collection", "imageembedding", "modelversion", "indexversion",
        "job", "failure", "workerpulse", "evaluation", "promotion", "savedqueryset", "savedquery",
        "jobmetric", "syncsource", "syncedfile", "vanishedpicture",
    )  # fmt: skip
    return [
        "/admin/",
        *(f"/admin/gallery/{name}/" for name in tables),
        "/admin/gallery/image/add/",
        f"/admin/gallery/image/{image.pk}/change/",
        f"/admin/gallery/image/{image.pk}/delete/",
        "/admin/gallery/indexversion/rebuild/",
        f"/admin/gallery/job/{Job.objects.latest('pk').pk}/change/",
        "/admin/auth/user/",
        "/admin/auth/user/add/",
    ]


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss", password="a long password")
