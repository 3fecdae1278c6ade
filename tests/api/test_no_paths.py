"""No answer of the API shows where on the server something lies."""

import pytest
from django.test import Client

from gallery.api.places import without_paths
from gallery.models import Failure, Job, ModelVersion
from mlcore.i18n import Message

pytestmark = pytest.mark.django_db


def test_jobs_failures_and_models_tell_no_folder(staff_client: Client, indexed: object) -> None:
    live = ModelVersion.objects.get()
    why = Message.of("index.folder_missing", folder="/srv/secret/indexes/7")
    cause = "[Errno 2] No such file or directory: '/srv/secret/media/a b.jpg'"
    reason = Message.of("failure.original_unreadable", why=cause)
    job = Job.objects.create(
        kind=Job.Kind.IMPORT,
        status=Job.Status.FAILED,
        params={"path": "/srv/secret/flickr8k"},
        error=why,
        result={"notes": [why.as_json()]},
    )
    Failure.objects.create(stage=Failure.Stage.IMPORT, item="flickr8k: a.jpg", reason=reason)
    ModelVersion.objects.filter(pk=live.pk).update(reference="/srv/secret/models/ours")
    for address in (
        "/api/v1/jobs/",
        f"/api/v1/jobs/{job.pk}/",
        "/api/v1/failures/",
        "/api/v1/models/",
        f"/api/v1/models/{live.pk}/",
        "/api/v1/indexes/",
    ):
        response = staff_client.get(address)
        assert response.status_code == 200
        assert b"secret" not in response.content, address
    told = staff_client.get(f"/api/v1/jobs/{job.pk}/").json()
    assert told["params"]["path"] == "flickr8k"
    assert told["error"]["text"].startswith("The index folder 7 does not exist.")
    assert staff_client.get(f"/api/v1/models/{live.pk}/").json()["reference"] == "ours"


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("openai/clip-vit-base-patch32", "openai/clip-vit-base-patch32"),
        ("http://host/api/v1/jobs/7/", "http://host/api/v1/jobs/7/"),
        ("cannot open /var/lib/x/y.bin (full)", "cannot open y.bin (full)"),
        ("a dog and/or a cat", "a dog and/or a cat"),
        ("train/1.jpg", "train/1.jpg"),
    ],
)
def test_only_paths_are_cut(told: str, kept: str) -> None:
    assert without_paths([told]) == [kept]
