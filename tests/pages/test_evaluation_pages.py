"""Reports of evaluations and comparisons of two, with the pictures that models returned."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from gallery.models import Evaluation, Image, ModelVersion
from gallery.services.images import delete_images
from mlcore.i18n import Message
from tests.learning import COMPOSITION, candidate, measured
from tests.pages.conftest import as_shown

pytestmark = pytest.mark.django_db

COMPARE = "/evaluations/compare/"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def before(indexed: dict[str, Image]) -> Evaluation:
    ranks = {
        "a red square": (indexed["red"], 1),
        "a blue square": (indexed["blue"], 9),
        "a green one": (indexed["green"], 4),
    }
    top = [indexed["red"], indexed["yellow"]]
    return measured(ModelVersion.objects.get(), ranks, composition=COMPOSITION, top=top)


@pytest.fixture
def after(before: Evaluation, indexed: dict[str, Image]) -> Evaluation:
    ranks = {
        "a red square": (indexed["red"], 2),
        "a blue square": (indexed["blue"], 1),
        "a green one": (indexed["green"], 4),
    }
    return measured(candidate(before.model_version), ranks, top=[indexed["blue"]])


def get(client: Client, name: str, evaluation: Evaluation) -> str:
    response = client.get(reverse(name, args=[evaluation.pk]))
    assert response.status_code == 200
    return response.content.decode()


def compare(client: Client, live: Evaluation, other: Evaluation, status: int = 200) -> str:
    response = client.get(COMPARE, {"live": live.pk, "candidate": other.pk})
    assert response.status_code == status
    return response.content.decode()


# --- Reports ---------------------------------------------------------------------------------


def test_the_report_has_plots_metrics_and_queries(
    staff_client: Client, before: Evaluation, indexed: dict[str, Image]
) -> None:
    html = get(staff_client, "gallery:evaluation", before)
    assert html.count('<svg class="plot"') == 4
    assert "Where the right picture stood" in html
    row = html.split("Hit rate at 5</th>")[1].split("</tr>")[0]
    assert "0.667 (" in row  # ranks 1 and 4, but not 9
    worst, best = html.split("answers worst")[1].split("answers best")
    assert "a blue square" in worst
    assert "at rank 9" in worst
    assert "a red square" in best
    red = reverse("gallery:thumbnail", args=[indexed["red"].pk])
    assert red in best
    assert f'href="{indexed["red"].get_absolute_url()}" class="right"' in best
    assert "A blue square" in html  # the wrong caption that won


def test_a_picture_that_is_gone_leaves_a_mark_and_no_address(
    staff_client: Client, before: Evaluation, indexed: dict[str, Image]
) -> None:
    red = indexed["red"].pk
    delete_images([indexed["red"]])
    html = get(staff_client, "gallery:evaluation", before)
    assert reverse("gallery:thumbnail", args=[red]) not in html
    assert 'class="gone"' in html


def test_the_report_as_json_is_the_whole_of_it(staff_client: Client, before: Evaluation) -> None:
    response = staff_client.get(reverse("gallery:evaluation-json", args=[before.pk]))
    assert response["Content-Type"] == "application/json"
    assert response["Content-Disposition"].startswith('attachment; filename="evaluation-colours')
    whole = json.loads(response.content)
    assert whole["text_to_image"]["hit_rate@1"] == pytest.approx(1 / 3)
    assert [outcome["rank"] for outcome in whole["outcomes"]] == [1, 9, 4]
    assert whole["composition"]["kinds"]["colour"]["won"] == 7
    assert whole["dataset"] == str(before.dataset)


def test_the_report_as_html_needs_nothing_beside_it(
    staff_client: Client, before: Evaluation
) -> None:
    response = staff_client.get(reverse("gallery:evaluation-html", args=[before.pk]))
    assert response["Content-Disposition"].endswith('.html"')
    html = response.content.decode()
    assert "Evaluation of colours" in html
    assert " src=" not in html
    assert " href=" not in html


def test_hostile_words_stay_words(
    staff_client: Client, before: Evaluation, indexed: dict[str, Image]
) -> None:
    ModelVersion.objects.update(name=HOSTILE)
    hostile = measured(
        before.model_version,
        {HOSTILE: (indexed["red"], 3)},
        dataset=Message.of("data.folder", path=HOSTILE),
        protocol=HOSTILE[:40],
    )
    for name in ("gallery:evaluation", "gallery:evaluation-html"):
        assert HOSTILE not in get(staff_client, name, hostile)
    assert HOSTILE not in staff_client.get("/evaluations/").content.decode()
    assert HOSTILE not in compare(staff_client, hostile, hostile)


def test_the_list_offers_two_to_compare(
    staff_client: Client, before: Evaluation, after: Evaluation
) -> None:
    html = as_shown(staff_client.get("/evaluations/").content.decode())
    assert "3 queries among 1,000 pictures" in html
    assert f'name="live" value="{before.pk}" checked' in html
    assert f'name="candidate" value="{after.pk}" checked' in html
    report = as_shown(get(staff_client, "gallery:evaluation", after))
    assert f'<option value="{before.pk}">colours (report {before.pk})</option>' in report


def test_nothing_measured_yet(staff_client: Client) -> None:
    assert "No model has been measured yet." in staff_client.get("/evaluations/").content.decode()


# --- Comparisons -----------------------------------------------------------------------------


def test_a_comparison_shows_what_changed_and_what_came(
    staff_client: Client, before: Evaluation, after: Evaluation, indexed: dict[str, Image]
) -> None:
    html = compare(staff_client, before, after)
    row = html.split("Hit rate at 5</th>")[1].split("</tr>")[0]
    for value in ("0.667", "1.000", "0.333"):
        assert value in row
    assert "1 query got worse" in html
    assert "1 query got better" in html
    worse, better = html.split("got worse")[1].split("got better")
    assert "From rank 1 to 2" in worse
    assert "From rank 9 to 1" in better
    assert "a green one" not in worse + better  # it stayed where it was
    blue, yellow = (
        reverse("gallery:thumbnail", args=[indexed[colour].pk]) for colour in ("blue", "yellow")
    )
    assert yellow in better.split("Before")[1].split("After")[0]
    assert blue in better.split("After")[1]
    assert "p-value" in html


def test_what_was_asked_something_else_is_refused_in_words(
    staff_client: Client, before: Evaluation, indexed: dict[str, Image]
) -> None:
    other = measured(candidate(before.model_version), {"other words": (indexed["red"], 1)})
    html = compare(staff_client, before, other, status=422)
    assert "These two cannot be compared" in html
    assert "not asked the same queries" in html


def test_without_two_that_exist_one_is_sent_to_choose(
    staff_client: Client, before: Evaluation
) -> None:
    for asked in ("", f"?live={before.pk}", "?live=x&candidate=0"):
        response = staff_client.get(f"{COMPARE}{asked}")
        assert response["Location"] == reverse("gallery:evaluations")
