"""Reports of evaluations, as a page and as files, and two of them side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_safe

from gallery.access import EVERY_IMAGE, Person
from gallery.forms import CompareForm
from gallery.models import Evaluation, Image, IndexVersion
from gallery.selectors import visible_images
from gallery.services import evaluations as service
from gallery.views.access import PersonRequest, permission_required
from gallery.views.model_cards import headline_figures, report_values
from mlcore.errors import ContextVisionError
from mlcore.reporting import labels, plots, tables
from mlcore.reporting.report import evaluation_html

if TYPE_CHECKING:
    from mlcore.evaluation import Difference, QueryChange

EVALUATIONS_A_PAGE = 30
QUERIES_SHOWN = 12
"""The best and the worst queries of a report; all of them are in the files."""
EXAMPLES_SHOWN = 10
"""True captions that lost to a wrong one."""
CHANGES_SHOWN = 20
"""Queries that got better, and worse, on the page of a comparison."""
PICTURES_SHOWN = 5
"""Of what a model returned."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture that a model returned or should have, if it is still there to be seen."""

    image: Image | None
    is_right: bool = False


@dataclass(frozen=True, slots=True)
class QueryCard:
    """One query with what it should find and what it found."""

    query: str
    rank: float
    relevant: Sequence[Shown]
    top: Sequence[Shown]


@dataclass(frozen=True, slots=True)
class LostCaption:
    """A true caption that was farther from its picture than a slightly wrong one."""

    caption: str
    wrong: str
    kind: str
    picture: Shown


@require_safe
@permission_required("gallery.view_evaluation")
def evaluation_list(request: PersonRequest) -> HttpResponse:
    live = IndexVersion.objects.active()
    found = Evaluation.objects.select_related("model_version")
    page = Paginator(found, EVALUATIONS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [(evaluation, headline_figures(evaluation)) for evaluation in page],
        "live": live,
    }
    return render(request, "gallery/evaluations.html", context)


@require_safe
@permission_required("gallery.view_evaluation", EVERY_IMAGE)
def detail(request: PersonRequest, pk: int) -> HttpResponse:
    evaluation = _evaluation(pk)
    values = report_values(evaluation)
    outcomes = values.get("outcomes") or []
    ordered = sorted(outcomes, key=lambda outcome: float(outcome["rank"]))
    half = min(QUERIES_SHOWN, (len(ordered) + 1) // 2)
    best, worst = ordered[:half], ordered[half:][-QUERIES_SHOWN:][::-1]
    lost = (values.get("composition") or {}).get("examples", [])[:EXAMPLES_SHOWN]
    names = {example["picture"] for example in lost}
    for outcome in (*best, *worst):
        names |= {*outcome["relevant"][:PICTURES_SHOWN], *outcome["top"][:PICTURES_SHOWN]}
    images = _images(evaluation, names, request.user)
    columns = [labels.direction_words(name) for name in tables.directions(values)]
    context = {
        "evaluation": evaluation,
        "columns": columns,
        "rows": [
            (row, list(zip(columns, row.cells, strict=True))) for row in tables.metric_rows(values)
        ],
        "has_reference": bool(values.get("reference")),
        "plots": plots.evaluation_plots(values),
        "best": [_query_card(outcome, images) for outcome in best],
        "worst": [_query_card(outcome, images) for outcome in worst],
        "lost": [
            LostCaption(
                example["caption"],
                example["wrong"],
                labels.kind_words(example["kind"]),
                Shown(images.get(example["picture"])),
            )
            for example in lost
        ],
        "comparable": service.comparable_with(evaluation).select_related("model_version")[:20],
    }
    return render(request, "gallery/evaluation.html", context)


@require_safe
@permission_required("gallery.view_evaluation", EVERY_IMAGE)
def as_json(request: PersonRequest, pk: int) -> HttpResponse:
    evaluation = _evaluation(pk)
    response = JsonResponse(report_values(evaluation), json_dumps_params={"indent": 1})
    return _as_file(response, evaluation, "json")


@require_safe
@permission_required("gallery.view_evaluation", EVERY_IMAGE)
def as_html(request: PersonRequest, pk: int) -> HttpResponse:
    evaluation = _evaluation(pk)
    html = evaluation_html(
        report_values(evaluation),
        training=service.training_curve(evaluation.model_version),
        language=get_language() or "",
    )
    return _as_file(HttpResponse(html), evaluation, "html")


@require_safe
@permission_required("gallery.view_evaluation", EVERY_IMAGE)
def compare(request: PersonRequest) -> HttpResponse:
    """Two evaluations side by side; without two that are named, the choice of them."""
    form = CompareForm(request.GET)
    if not form.is_valid():
        if request.GET:
            messages.error(request, gettext("Choose two evaluations that exist."))
        return redirect("gallery:evaluations")
    live, candidate = form.cleaned_data["live"], form.cleaned_data["candidate"]
    context: dict[str, object] = {"live": live, "candidate": candidate}
    try:
        comparison = service.compare_evaluations(live, candidate)
    except ContextVisionError as error:
        context["problem"] = str(error)
        return render(request, "gallery/compare.html", context, status=422)
    better, worse = comparison.better[:CHANGES_SHOWN], comparison.worse[:CHANGES_SHOWN]
    names = {
        name
        for change in (*better, *worse)
        for name in (*change.relevant, *change.live_top, *change.candidate_top)
    }
    images = _images(live, names, request.user)
    context |= {
        "differences": [
            DifferenceRow(labels.metric_words(name), comparison.metrics[name])
            for name in labels.in_order(comparison.metrics)
        ],
        "plot": plots.comparison_plot(comparison.as_dict()),
        "better": [_change_card(change, images) for change in better],
        "worse": [_change_card(change, images) for change in worse],
        "better_count": len(comparison.better),
        "worse_count": len(comparison.worse),
    }
    return render(request, "gallery/compare.html", context)


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """One metric of two models, as it stands in the table."""

    name: str
    found: "Difference"

    @property
    def before(self) -> str:
        return labels.figure_words(self.found.live)

    @property
    def after(self) -> str:
        return labels.figure_words(self.found.candidate)

    @property
    def difference(self) -> str:
        return labels.figure_words(self.found.difference)

    @property
    def interval(self) -> str:
        low, high = labels.figure_words(self.found.low), labels.figure_words(self.found.high)
        return gettext("%(low)s to %(high)s") % {"low": low, "high": high}

    @property
    def p_value(self) -> str:
        return "< 0.001" if self.found.p_value < 0.001 else labels.figure_words(self.found.p_value)


def _evaluation(pk: int) -> Evaluation:
    return get_object_or_404(Evaluation.objects.select_related("model_version__job"), pk=pk)


def _as_file(response: HttpResponse, evaluation: Evaluation, suffix: str) -> HttpResponse:
    name = slugify(f"{evaluation.model_version.name} {evaluation.protocol} {evaluation.pk}")
    response["Content-Disposition"] = f'attachment; filename="evaluation-{name}.{suffix}"'
    return response


def _images(evaluation: Evaluation, names: Iterable[str], user: Person) -> dict[str, Image]:
    """Fetch the pictures that this person may see, by what the evaluation calls them.

    Those of a folder are not of the gallery, whatever they are called.
    """
    if not evaluation.is_of_gallery:
        return {}
    found = visible_images([int(name) for name in names], user)
    return {str(pk): image for pk, image in found.items()}


def _query_card(outcome: dict[str, Any], images: dict[str, Image]) -> QueryCard:
    return QueryCard(
        outcome["query"],
        outcome["rank"],
        _shown(outcome["relevant"], (), images),
        _shown(outcome["top"], outcome["relevant"], images),
    )


def _shown(names: Sequence[str], relevant: Sequence[str], images: dict[str, Image]) -> list[Shown]:
    return [Shown(images.get(name), name in relevant) for name in names[:PICTURES_SHOWN]]


@dataclass(frozen=True, slots=True)
class ChangeCard:
    """One query before and after."""

    query: str
    live_rank: float
    candidate_rank: float
    relevant: Sequence[Shown]
    live_top: Sequence[Shown]
    candidate_top: Sequence[Shown]


def _change_card(change: "QueryChange", images: dict[str, Image]) -> ChangeCard:
    return ChangeCard(
        change.query,
        change.live_rank,
        change.candidate_rank,
        _shown(change.relevant, (), images),
        _shown(change.live_top, change.relevant, images),
        _shown(change.candidate_top, change.relevant, images),
    )
