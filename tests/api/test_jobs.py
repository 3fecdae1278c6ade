"""Work and versions for programs; all of it is for staff."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from gallery.models import Failure, Image, IndexVersion, Job, ModelVersion
from mlcore.i18n import Message
from tests.api.conftest import problem
from tests.encoders import ColourEncoder
from tests.index_files import folder_of
from tests.pictures_of_colours import add_picture, run

pytestmark = pytest.mark.django_db
JOBS = "/api/v1/jobs/"
FAILURES = "/api/v1/failures/"
INDEXES = "/api/v1/indexes/"
MODELS = "/api/v1/models/"


def start(client: Client, kind: str) -> Any:
    return client.post(JOBS, {"kind": kind}, content_type="application/json")


class TestJobs:
    @pytest.mark.parametrize("kind", ["embed", "index"])
    def test_starting_work_twice_gives_one_job(
        self, staff_client: Client, staff: User, kind: str
    ) -> None:
        response = start(staff_client, kind)
        assert response.status_code == 202, response.content
        job = Job.objects.get()
        assert (job.kind, job.created_by) == (kind, staff)
        assert response["Location"] == f"http://testserver{JOBS}{job.pk}/"
        assert start(staff_client, kind).json()["id"] == job.pk
        assert Job.objects.count() == 1

    def test_other_work_cannot_be_started_from_here(self, staff_client: Client) -> None:
        assert list(problem(start(staff_client, "import"), 400)["errors"]) == ["kind"]

    def test_a_job_tells_how_far_it_is(self, staff_client: Client, staff: User) -> None:
        job = Job.objects.create(
            kind=Job.Kind.EMBED,
            status=Job.Status.RUNNING,
            done=3,
            total=12,
            message=Message.of("stage.embedding_shared", workers=3),
            created_by=staff,
        )
        body = staff_client.get(f"{JOBS}{job.pk}/").json()
        assert (body["status"], body["percent"], body["error"]) == ("running", 25, None)
        stage = {"code": "stage.embedding_shared", "params": {"workers": 3}}
        assert body["message"] == {**stage, "text": "Embedding on 3 workers"}
        german = staff_client.get(f"{JOBS}{job.pk}/", headers={"Accept-Language": "de"}).json()
        assert german["message"] == {**stage, "text": "Einbetten auf 3 Workern"}
        assert body["created_by"] == "staff"

    def test_the_list_can_be_narrowed_down(self, staff_client: Client) -> None:
        done = Job.objects.create(kind=Job.Kind.INDEX, status=Job.Status.SUCCEEDED)
        Job.objects.create(kind=Job.Kind.EMBED, status=Job.Status.FAILED)
        for query in ("kind=index", "status=succeeded"):
            page = staff_client.get(f"{JOBS}?{query}").json()
            assert [item["id"] for item in page["results"]] == [done.pk]
        problem(staff_client.get(f"{JOBS}?status=bored"), 400)

    def test_cancel_and_retry_and_when_they_cannot_be(self, staff_client: Client) -> None:
        job = Job.objects.create(kind=Job.Kind.EMBED, params={"images": [1]})
        early = problem(staff_client.post(f"{JOBS}{job.pk}/retry/"), 409)
        assert early["type"] == "urn:contextvision:problem:job-state"
        stopped = staff_client.post(f"{JOBS}{job.pk}/cancel/")
        assert stopped.status_code == 200
        assert stopped.json()["status"] == "cancelled"
        problem(staff_client.post(f"{JOBS}{job.pk}/cancel/"), 409)
        again = staff_client.post(f"{JOBS}{job.pk}/retry/")
        assert again.status_code == 202
        assert again.json()["id"] != job.pk
        assert again.json()["params"] == {"images": [1]}


class TestFailures:
    def test_reading_and_retrying(self, staff_client: Client) -> None:
        image = add_picture("red")
        reason = Message.of("failure.original_unreadable", why="gone")
        Failure.objects.record(Failure.Stage.EMBED, f"Picture {image.pk}", reason, image=image)
        page = staff_client.get(f"{FAILURES}?stage=embed").json()
        [item] = page["results"]
        assert (item["image"], item["attempts"]) == (image.pk, 1)
        why = "The original file cannot be read: gone."
        code = "failure.original_unreadable"
        assert item["reason"] == {"code": code, "params": {"why": "gone"}, "text": why}
        assert staff_client.get(f"{FAILURES}?stage=import").json()["results"] == []
        assert staff_client.get(f"{FAILURES}?job=1").json()["results"] == []
        for no_id in ("x", "0", "1.5", "-1e48", str(10**30)):
            body = problem(staff_client.get(FAILURES, {"job": no_id}), 400)
            assert list(body["errors"]) == ["job"]
        response = staff_client.post(f"{FAILURES}{item['id']}/retry/")
        assert response.status_code == 202
        assert response.json()["params"] == {"images": [image.pk]}

    def test_what_came_from_nowhere_cannot_be_retried(self, staff_client: Client) -> None:
        Failure.objects.record(Failure.Stage.IMPORT, "old.jpg", Message("It is damaged."))
        failure = Failure.objects.get()
        body = problem(staff_client.post(f"{FAILURES}{failure.pk}/retry/"), 409)
        assert "old.jpg" in body["detail"]


class TestVersions:
    def test_reading(self, staff_client: Client, indexed: dict[str, Image]) -> None:
        [model] = staff_client.get(MODELS).json()["results"]
        assert model["name"] == "colours"
        assert model == staff_client.get(model["url"]).json()
        [index] = staff_client.get(INDEXES).json()["results"]
        assert index["is_active"]
        assert index["count"] == len(indexed)
        assert index["model"].items() <= model.items()
        assert model["state"] == "live"
        assert index == staff_client.get(index["url"]).json()
        assert ModelVersion.objects.count() == 1

    def test_rolling_back_and_forward(
        self, staff_client: Client, indexed: dict[str, Image]
    ) -> None:
        first = IndexVersion.objects.get()
        run(Job.Kind.INDEX)
        back = staff_client.post(f"{INDEXES}{first.pk}/activate/")
        assert back.status_code == 200, back.content
        assert back.json()["is_active"]
        assert IndexVersion.objects.active() == first

    def test_a_damaged_index_is_not_made_live(
        self, staff_client: Client, indexed: dict[str, Image]
    ) -> None:
        first = IndexVersion.objects.get()
        run(Job.Kind.INDEX)
        live = IndexVersion.objects.active()
        (folder_of(first) / "ids.npy").write_bytes(b"not an index")
        body = problem(staff_client.post(f"{INDEXES}{first.pk}/activate/"), 409)
        assert body["type"] == "urn:contextvision:problem:index-unusable"
        assert IndexVersion.objects.active() == live

    def test_rebuild_is_queued_once(self, staff_client: Client) -> None:
        first = staff_client.post(f"{INDEXES}rebuild/")
        assert first.status_code == 202
        assert staff_client.post(f"{INDEXES}rebuild/").json()["id"] == first.json()["id"]


def test_everybody_watches_jobs_of_his_own(
    member: User, staff_client: Client, member_client: Client, colours: ColourEncoder
) -> None:
    Job.objects.create(kind=Job.Kind.EMBED)
    mine = Job.objects.create(kind=Job.Kind.IMPORT, created_by=member)
    assert [each["id"] for each in member_client.get(JOBS).json()["results"]] == [mine.pk]
    assert len(staff_client.get(JOBS).json()["results"]) == 2
    assert member_client.post(f"{JOBS}{mine.pk}/cancel/").status_code == 200
    problem(member_client.post(f"{JOBS}{mine.pk}/retry/"), 403)  # he may import nothing by now
    problem(member_client.post(JOBS, {"kind": "embed"}, content_type="application/json"), 403)


@pytest.mark.parametrize("url", [FAILURES, INDEXES, MODELS])
def test_the_rest_is_for_those_with_a_role(client: Client, member_client: Client, url: str) -> None:
    for address in (url, f"{url}1/"):
        problem(client.get(address), 401)
        problem(member_client.get(address), 403)
