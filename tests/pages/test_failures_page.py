"""The ledger of failures on its page and as a file."""

import csv
import io

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from gallery.models import Failure, Image, Job
from mlcore.i18n import Message
from tests.pictures_of_colours import add_picture

pytestmark = pytest.mark.django_db

FAILURES = "/failures/"


@pytest.fixture
def ledger(db: None) -> list[Failure]:
    """Two of one import, one of another, one of a picture, one that nobody can trace."""
    first = Job.objects.create(kind=Job.Kind.IMPORT, params={"path": "/data/a", "tags": ["x"]})
    second = Job.objects.create(kind=Job.Kind.IMPORT, params={"path": "/data/b"})
    image = add_picture("red")
    record = Failure.objects.record
    record(Failure.Stage.IMPORT, "a: 1.jpg", Message("It is damaged."), job=first)
    record(Failure.Stage.IMPORT, "a: 2.jpg", Message("It is empty."), job=first)
    record(Failure.Stage.IMPORT, "b: 3.jpg", Message("It is no picture."), job=second)
    for _ in range(3):
        record(
            Failure.Stage.EMBED, f"Picture {image.pk}", Message("It cannot be read."), image=image
        )
    record(Failure.Stage.IMPORT, "lost.jpg", Message("It is thin."))
    return list(Failure.objects.order_by("pk"))


def page(client: Client, **params: str) -> str:
    response = client.get(FAILURES, params)
    assert response.status_code == 200
    return response.content.decode()


def test_every_failure_is_listed_with_its_reason(
    staff_client: Client, ledger: list[Failure]
) -> None:
    html = page(staff_client)
    for failure in ledger:
        assert failure.item in html
        assert str(failure.reason) in html
    assert html.count("Retry<span") == 4  # not the one that nobody can trace


def test_one_stage_alone(staff_client: Client, ledger: list[Failure]) -> None:
    html = page(staff_client, stage="embed")
    assert "It cannot be read." in html
    assert "It is damaged." not in html
    assert "Retry all of this stage" in html
    assert "failures.csv?stage=embed" in html
    assert "It is damaged." in page(staff_client, stage="nonsense")


def test_an_empty_ledger(staff_client: Client) -> None:
    html = page(staff_client)
    assert "Nothing has failed" in html
    assert "Retry all" not in html


def test_one_is_tried_again(staff_client: Client, staff: User, ledger: list[Failure]) -> None:
    response = staff_client.post(reverse("gallery:failure-retry", args=[ledger[0].pk]))
    job = Job.objects.latest("pk")
    assert response["Location"] == reverse("gallery:job", args=[job.pk])
    assert job.kind == Job.Kind.IMPORT
    assert job.params == {"path": "/data/a", "tags": ["x"], "only": ["1.jpg"]}
    assert job.created_by == staff


def test_one_that_nobody_can_trace_says_so(staff_client: Client, ledger: list[Failure]) -> None:
    url = reverse("gallery:failure-retry", args=[ledger[-1].pk])
    html = staff_client.post(url, follow=True).content.decode()
    assert "is not known any more; import it again by its path" in html
    assert Job.objects.count() == 2


def test_all_are_tried_again_with_one_job_for_each_source(
    staff_client: Client, ledger: list[Failure]
) -> None:
    html = staff_client.post(reverse("gallery:failures-retry"), follow=True).content.decode()
    assert "Started 3 jobs." in html
    assert "1 not tried again" in html
    embed, second, first = Job.objects.order_by("-pk")[:3]
    assert embed.params == {"images": [Image.objects.get().pk]}
    assert {(job.params["path"], *sorted(job.params["only"])) for job in (first, second)} == {
        ("/data/a", "1.jpg", "2.jpg"),
        ("/data/b", "3.jpg"),
    }
    assert Failure.objects.get(stage=Failure.Stage.EMBED).attempts == 0


def test_only_the_chosen_stage_is_tried_again(staff_client: Client, ledger: list[Failure]) -> None:
    staff_client.post(reverse("gallery:failures-retry"), {"stage": "embed"})
    assert Job.objects.count() == 3
    assert Job.objects.latest("pk").kind == Job.Kind.EMBED


def rows(client: Client, **params: str) -> list[dict[str, str]]:
    response = client.get(reverse("gallery:failures-csv"), params)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="failures.csv"'
    text = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_file_holds_the_same(staff_client: Client, ledger: list[Failure]) -> None:
    found = rows(staff_client)
    assert [(row["stage"], row["item"], row["reason"]) for row in found] == [
        (failure.stage, failure.item, str(failure.reason)) for failure in Failure.objects.all()
    ]
    assert [row["attempts"] for row in found if row["stage"] == "embed"] == ["3"]
    assert len(rows(staff_client, stage="embed")) == 1


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(staff_client: Client, start: str) -> None:
    name = f'{start}HYPERLINK("x")'
    Failure.objects.record(
        Failure.Stage.IMPORT,
        name,
        Message.of("data.folder", path=f"{start}cmd, with a comma\nand a line"),
    )
    [row] = rows(staff_client)
    assert row["item"] == f"'{name}"
    assert row["reason"] == f"'{start}cmd, with a comma\nand a line"


def test_the_page_costs_the_same_whatever_its_length(
    staff_client: Client, ledger: list[Failure], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(6):
        page(staff_client)
    for number in range(60):
        Failure.objects.record(Failure.Stage.IMPORT, f"more {number}", Message("It is damaged."))
    with django_assert_num_queries(6):
        html = page(staff_client)
    assert "Page 1 of 2" in html
