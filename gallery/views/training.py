"""Fine-tuning: choosing a recipe, and watching it at work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Q
from django.db.models.functions import Mod
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from gallery.forms import FineTuneForm
from gallery.forms.training import TUNE
from gallery.jobs.cards import JobCard, is_in_epochs, spell_duration
from gallery.models import Collection, Job
from gallery.services import training as service
from gallery.views.access import (
    PersonRequest,
    permission_required,
    person_required,
    sent,
    wants_fragment,
)
from gallery.views.model_cards import HEADLINES
from mlcore.encoders import FAMILIES, ModelFamily
from mlcore.reporting.labels import figure_words, metric_words
from mlcore.reporting.plots import training_plots
from mlcore.reporting.svg import Svg
from mlcore.training.config import TrainConfig, Tune

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

POINTS_READ = 1_000
"""More could not be told apart in a plot."""
COLLECTIONS_COUNTED = 20
"""Collections whose pictures are counted on the page."""


@dataclass(frozen=True, slots=True)
class TrainingCard:
    """What a training has measured so far."""

    job: Job
    points: Sequence[dict[str, Any]]

    @property
    def epochs(self) -> list[dict[str, Any]]:
        return [point for point in self.points if point.get("kind") == "epoch"]

    @property
    def best(self) -> dict[str, Any]:
        """The epoch that would be kept now; empty before the first has been validated."""
        best = [point for point in self.epochs if point.get("best")]
        return best[-1] if best else {}

    @property
    def news(self) -> list[tuple[str, str]]:
        """The state of things, as names and values."""
        last = self.points[-1] if self.points else {}
        facts = []
        if "step" in last:
            step = intcomma(last["step"])
            if last.get("steps"):
                of = {"done": step, "total": intcomma(last["steps"])}
                step = gettext("%(done)s of %(total)s") % of
            facts.append((gettext("Step"), step))
        for name, words, write in _NEWS:
            if isinstance(last.get(name), int | float):
                facts.append((str(words), write(last[name])))
        goes_on = not self.job.is_finished and is_in_epochs(self.job)
        # What follows the last step is not in it, so "none" would not be true.
        if goes_on and last.get("seconds_left"):
            left = spell_duration(timedelta(seconds=last["seconds_left"]))
            facts.append((gettext("Time left"), gettext("about %(duration)s") % {"duration": left}))
        return facts

    @property
    def best_news(self) -> list[tuple[str, str]]:
        """What the best epoch reached on the validation part."""
        found = [
            (metric_words(name), figure_words(self.best[name]))
            for name in HEADLINES
            if name in self.best
        ]
        if not found:
            return []
        return [(gettext("Best epoch"), str(self.best.get("epoch"))), *found]

    @property
    def curves(self) -> list[Svg]:
        return training_plots(self.points)


_NEWS: tuple[tuple[str, "_StrPromise", Callable[[float], str]], ...] = (
    ("epoch", _("Epoch"), intcomma),
    ("loss", _("Loss"), lambda value: number_format(value, 3)),
    ("temperature", _("Temperature"), lambda value: number_format(value, 4)),
    ("learning_rate", _("Learning rate"), lambda value: f"{value:.2e}"),
    ("pictures_per_second", _("Pictures a second"), lambda value: intcomma(round(value))),
)


def training_card(job: Job) -> TrainingCard | None:
    """What there is to watch, where the job is a training."""
    if job.kind != Job.Kind.TRAIN:
        return None
    return TrainingCard(job, measured_points(job))


def measured_points(job: Job) -> list[dict[str, Any]]:
    """What a job measured, oldest first: every epoch, and of many steps an even choice.

    The page asks again every few seconds, also in a run of days.
    """
    stride = 1 + job.metrics.count() // POINTS_READ
    chosen = job.metrics.annotate(turn=Mod("pk", stride))
    if last := chosen.last():
        chosen = chosen.filter(Q(turn=0) | Q(values__kind="epoch") | Q(pk=last.pk))
    return [metric.values for metric in chosen]


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gallery.add_modelversion")
def fine_tune(request: PersonRequest) -> HttpResponse:
    form = FineTuneForm(sent(request), initial=_chosen(request))
    if form.is_valid() and (job := form.start(request.user)):
        return redirect("gallery:job", pk=job.pk)
    context = {
        "form": form,
        "sizes": service.gallery_counts(),
        "collections": [
            (collection.name, service.gallery_counts(collection.name))
            for collection in Collection.objects.all()[:COLLECTIONS_COUNTED]
        ],
        "families": [family.label for family in trained_families()],
        "recommended": recommended(),
    }
    return render(request, "gallery/fine_tune.html", context, status=422 if form.errors else 200)


def _chosen(request: PersonRequest) -> dict[str, str]:
    """What a link to the form has chosen already: the model to start from."""
    base = request.GET.get("base", "")
    return {"base": base} if base.isascii() and base.isdigit() else {}


def trained_families() -> list[ModelFamily]:
    return [family for family in FAMILIES.values() if family.trainable]


def recommended() -> list[tuple[str, list[tuple[str, str]]]]:
    """What stands for an empty field: by what is trained, for each kind of model."""
    rows = []
    for tune, (words, _sentence) in TUNE.items():
        cells = []
        for family in trained_families():
            config = TrainConfig.recommended(family, cast(Tune, tune))
            cell = gettext("%(epochs)s epochs, batches of %(batch)s, rate %(rate)s") % {
                "epochs": intcomma(config.epochs),
                "batch": intcomma(config.batch_size),
                "rate": f"{config.learning_rate:g}",
            }
            cells.append((family.label, cell))
        rows.append((str(words), cells))
    return rows


@require_safe
@person_required
def watch(request: PersonRequest, pk: int) -> HttpResponse:
    """The measurements of a training, again and again while it runs."""
    job = get_object_or_404(Job.objects.visible_to(request.user), pk=pk, kind=Job.Kind.TRAIN)
    if not wants_fragment(request):
        return redirect("gallery:job", pk=pk)
    context = {"card": JobCard(job), "training": training_card(job)}
    return render(request, "gallery/_training.html", context)
