"""The pages of jobs: what runs, what came of it, and what can be done about it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from gallery.jobs.runner import run_job
from gallery.models import Failure, Image, Job, WorkerPulse
from gallery.services import jobs
from mlcore.i18n import Message
from tests.encoders import ColourEncoder
from tests.pages.conftest import HTMX, as_shown

pytestmark = pytest.mark.django_db

JOBS = "/jobs/"


def make(**fields: Any) -> Job:
    return Job.objects.create(**{"kind": Job.Kind.EMBED, **fields})


def running(**fields: Any) -> Job:
    started = timezone.now() - timedelta(seconds=10)
    return make(status=Job.Status.RUNNING, started_at=started, done=50, total=200, **fields)


def page(client: Client, url: str = JOBS) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def test_a_running_job_shows_how_far_it_is(staff_client: Client, staff: User) -> None:
    job = running(created_by=staff, message=Message("Embedding"))
    for url in (JOBS, reverse("gallery:job", args=[job.pk])):
        html = as_shown(page(staff_client, url))
        assert 'max="200" value="50"' in html
        assert "Embedding: 50 of 200 pictures (25 %) · " in html
        assert re.search(r"· [1-5] pictures a second", html)  # fewer where the machine is busy
        assert "seconds left" in html
        assert "Started by staff" in html
        assert reverse("gallery:job-cancel", args=[job.pk]) in html


def test_the_fragment_asks_again_until_the_job_has_ended(staff_client: Client) -> None:
    job = running()
    url = reverse("gallery:job", args=[job.pk])
    part = staff_client.get(url, headers=HTMX).content.decode()
    assert "<html" not in part
    assert f'hx-get="{url}" hx-trigger="every 1s"' in part
    assert 'hx-swap-oob="innerHTML:#job-news"' in part
    Job.objects.filter(pk=job.pk).update(
        status="succeeded", result={"embedded": 200, "failed": 0, "model": "m"}
    )
    part = staff_client.get(url, headers=HTMX).content.decode()
    assert "hx-trigger" not in part
    assert "200 pictures embedded with m." in part


def test_the_list_is_asked_for_often_only_while_something_runs(staff_client: Client) -> None:
    job = make(status=Job.Status.FAILED, error=Message("The disk is full."))
    assert 'hx-trigger="every 15s"' in page(staff_client)
    job = make()
    part = as_shown(staff_client.get(JOBS, headers=HTMX).content.decode())
    assert 'hx-trigger="every 2s"' in part
    assert f'Embed pictures</a> <span class="soft">{job.pk}</span>' in part
    assert "<html" not in part


def test_an_expected_failure_looks_unlike_a_defect(staff_client: Client) -> None:
    make(status=Job.Status.FAILED, error=Message("The disk is full."))
    html = as_shown(page(staff_client))
    assert '<span class="badge failed">Failed</span>' in html
    assert '<p class="job-error failed">The disk is full.</p>' in html
    assert "defect" not in html
    make(status=Job.Status.FAILED, error=Message("KeyError: 'x'"), is_defect=True)
    html = page(staff_client)
    assert '<span class="badge defect">Stopped by a defect</span>' in html
    assert "A defect of the program, not of your pictures." in html
    assert "KeyError: &#x27;x&#x27;" in html


def test_a_missing_worker_is_told_while_jobs_wait(staff_client: Client) -> None:
    assert "No worker has been seen" not in page(staff_client)
    job = make()
    assert "No worker has been seen" in page(staff_client)
    assert "No worker has been seen" in page(staff_client, reverse("gallery:job", args=[job.pk]))
    WorkerPulse.objects.beat("worker@here", "default")
    assert "No worker has been seen" not in page(staff_client)


def test_the_buttons_start_one_job_of_each_kind(staff_client: Client, staff: User) -> None:
    for kind in (Job.Kind.EMBED, Job.Kind.INDEX):
        first = staff_client.post(reverse("gallery:job-start"), {"kind": kind})
        job = Job.objects.get(kind=kind)
        assert job.created_by == staff
        assert first["Location"] == reverse("gallery:job", args=[job.pk])
        again = staff_client.post(reverse("gallery:job-start"), {"kind": kind})
        assert again["Location"] == first["Location"]
    assert Job.objects.count() == 2


@pytest.mark.parametrize("kind", ["", "import", "nonsense"])
def test_nothing_else_can_be_started(staff_client: Client, kind: str) -> None:
    response = staff_client.post(reverse("gallery:job-start"), {"kind": kind}, follow=True)
    assert "Choose what to start" in response.content.decode()
    assert not Job.objects.exists()


def test_cancelling(staff_client: Client) -> None:
    waiting, busy = make(), running()
    for job in (waiting, busy):
        response = staff_client.post(reverse("gallery:job-cancel", args=[job.pk]), follow=True)
        assert "is being stopped" in response.content.decode()
    waiting.refresh_from_db()
    busy.refresh_from_db()
    assert waiting.status == Job.Status.CANCELLED
    assert busy.cancel_requested
    html = page(staff_client)
    assert '<span class="badge stopping">Stopping</span>' in html
    assert reverse("gallery:job-cancel", args=[busy.pk]) not in html
    response = staff_client.post(reverse("gallery:job-cancel", args=[waiting.pk]), follow=True)
    assert "there is nothing to cancel" in response.content.decode()


def test_retrying(staff_client: Client, staff: User) -> None:
    failed = make(
        status=Job.Status.FAILED, params={"images": [1, 2]}, error=Message("No space left.")
    )
    response = staff_client.post(reverse("gallery:job-retry", args=[failed.pk]), follow=True)
    again = Job.objects.latest("pk")
    assert again.pk != failed.pk
    assert again.params == failed.params
    assert again.created_by == staff
    assert f"Started again as job {again.pk}." in response.content.decode()
    response = staff_client.post(reverse("gallery:job-retry", args=[again.pk]), follow=True)
    assert "has not ended yet" in response.content.decode()
    assert Job.objects.count() == 2


def test_a_job_page_lists_what_could_not_be_processed(staff_client: Client) -> None:
    job = make(kind=Job.Kind.IMPORT, status=Job.Status.SUCCEEDED, params={"path": "/p/ictures"})
    for number in range(25):
        Failure.objects.record(
            Failure.Stage.IMPORT, f"p: {number}.jpg", Message("It is <bad>."), job=job
        )
    html = page(staff_client, reverse("gallery:job", args=[job.pk]))
    assert "25 items could not be processed" in html
    assert html.count("It is &lt;bad&gt;.") == 20
    assert "ictures" in html
    assert "/p/ictures" not in html  # where it lies on the server is nobody's business


def test_the_list_costs_the_same_whatever_its_length(
    staff_client: Client, staff: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Session, person, his rights, those of his roles; the count, the jobs with their people, what
    is under way, the workers, the failures, the live index."""
    for _ in range(3):
        make(created_by=staff)
    with django_assert_num_queries(10):
        page(staff_client)
    for _ in range(30):
        make(created_by=staff)
    with django_assert_num_queries(10):
        html = page(staff_client)
    assert html.count("job-row") == 20
    assert "Page 1 of 2" in html
    with django_assert_num_queries(8):
        staff_client.get(JOBS, headers=HTMX)


def test_a_job_keeps_a_log_and_leads_to_what_came_of_it(
    staff_client: Client, colours: ColourEncoder, picture: Image
) -> None:
    job = jobs.start(Job.Kind.EMBED, {"images": [picture.pk]})
    run_job(job.pk)
    html = staff_client.get(f"/jobs/{job.pk}/").content.decode()
    log = re.findall(r"</time> <span>(.*?)</span>", html)
    assert log[0] == "Started."
    assert log[-1] == "Succeeded."
    assert len(log) > 2
    assert f'<a href="/manage/?job={job.pk}">See the pictures</a>' in html
    card = staff_client.get(f"/jobs/{job.pk}/", headers=HTMX).content.decode()
    assert "job-log" not in card  # where only the card stands, as on the upload page
    assert "job-log" in staff_client.get(f"/jobs/{job.pk}/?log", headers=HTMX).content.decode()


def test_the_log_tells_of_an_end_before_the_start_and_of_a_dead_worker(picture: Image) -> None:
    waiting = jobs.start(Job.Kind.EMBED)
    jobs.cancel(waiting)
    assert [str(event) for event in waiting.events.all()] == ["Cancelled before it had started."]
    lost = Job.objects.claim(jobs.start(Job.Kind.INDEX).pk)
    assert lost is not None
    assert lost.requeue()
    assert not lost.requeue()  # another one has it by now
    assert [str(event) for event in lost.events.all()] == [
        "Started.",
        "No sign of life from its worker; it waits for another one.",
    ]
    again = Job.objects.claim(lost.pk)
    assert again is not None
    jobs.cancel(again)
    jobs.cancel(again)
    again.finish(Job.Status.FAILED, error=Message("The disk is full."))
    assert [str(event) for event in lost.events.all()][2:] == [
        "Started again, attempt 2.",
        "Asked to stop.",
        "Failed. The disk is full.",
    ]
