"""What people read about models: figures beside those of the live one, and verdicts in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Prefetch
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.models import Evaluation, IndexVersion, ModelVersion
from gallery.services import evaluations
from mlcore.evaluation.gate import Verdict
from mlcore.i18n import Message
from mlcore.reporting.labels import figure_words, metric_words

HEADLINES = ("hit_rate@1", "hit_rate@5", "hit_rate@10", "mrr")
"""What models are compared by at a glance: words to pictures."""

STATES = {
    "live": _("Live"),
    "former": _("Former"),
    "candidate": _("Candidate"),
    "known": _("Known"),
}


def signed_figure(value: float) -> str:
    return ("+" if value >= 0 else "") + figure_words(value)


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of a model, and how far it lies from the live model's."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    difference: float | None = None
    difference_span: tuple[float, float] | None = None

    @property
    def words(self) -> str:
        return metric_words(self.name)

    @property
    def shown(self) -> str:
        return figure_words(self.value)

    @property
    def interval(self) -> str:
        if self.low is None or self.high is None:
            return ""
        span = {"low": figure_words(self.low), "high": figure_words(self.high)}
        return gettext("%(low)s to %(high)s") % span

    @property
    def change(self) -> str:
        """The difference with its sign; empty where there is nothing to compare with."""
        if self.difference is None:
            return ""
        return signed_figure(self.difference)

    @property
    def change_interval(self) -> str:
        """Between what the difference may lie, with signs; empty where that is not known."""
        if self.difference_span is None:
            return ""
        low, high = (signed_figure(value) for value in self.difference_span)
        return f"{low} … {high}"

    @property
    def direction(self) -> str:
        """Better, worse, or nothing where the two cannot be told apart.

        That is where they are the same to a thousandth, or the interval holds zero.
        """
        if self.difference is None or abs(self.difference) < 0.0005:
            return ""
        if self.difference_span is not None:
            low, high = self.difference_span
            if low <= 0 <= high:
                return ""
        return "better" if self.difference > 0 else "worse"


_OUTCOMES = {"passed": _("Passed"), "failed": _("Failed")}


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One check of the gate, as a sentence."""

    outcome: str
    """passed, failed, or skipped."""
    sentence: str

    @property
    def mark(self) -> str:
        return {"passed": "✓", "failed": "✗"}.get(self.outcome, "–")

    @property
    def words(self) -> str:
        return str(_OUTCOMES.get(self.outcome, gettext("Not checked")))


@dataclass(frozen=True, slots=True)
class VerdictCard:
    """What the gate said."""

    values: Mapping[str, Any]
    live_fingerprint: str = ""
    """Of the model that is live now."""

    def __bool__(self) -> bool:
        return bool(self.lines)

    @property
    def lines(self) -> list[CheckLine]:
        return [
            CheckLine(_outcome(check), str(Message.from_json(check["message"])))
            for check in self.values.get("checks", ())
        ]

    @property
    def is_outdated(self) -> bool:
        """Tell whether it was compared with a model that is not live any more."""
        return bool(self) and self.values.get("live") != self.live_fingerprint

    @property
    def stands_in_the_way(self) -> bool:
        return bool(self.failed) and not self.is_outdated

    @property
    def failed(self) -> list[CheckLine]:
        return [line for line in self.lines if line.outcome == "failed"]

    @property
    def state(self) -> str:
        """The class of its badge."""
        if not self or self.is_outdated:
            return "neutral"
        return "failed" if self.failed else "succeeded"

    @property
    def words(self) -> str:
        if self.is_outdated:
            return gettext("Judged before")
        return self.last_words

    @property
    def last_words(self) -> str:
        """What it said, whatever it compared the model with."""
        if not self:
            return gettext("Not judged yet")
        if self.failed:
            return gettext("Refused by the gate")
        # Verdicts of early versions kept no figures; of those it is not known.
        known = [check for check in self.values["checks"] if check.get("live") is not None]
        if known and not Verdict.from_dict({"checks": known}).better:
            return gettext("Passed the gate: not worse, nothing better")
        return gettext("Passed the gate")


def _outcome(check: Mapping[str, Any]) -> str:
    if check.get("passed") is None:
        return "skipped"
    return "passed" if check["passed"] else "failed"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model as the pages show it."""

    model: ModelVersion
    evaluation: Evaluation | None = None
    live: Evaluation | None = None
    """The live model's on the same queries, where there is one."""
    live_fingerprint: str = ""

    @property
    def state_in_words(self) -> str:
        return str(STATES[self.model.state])

    @property
    def badge(self) -> str:
        states = {"live": "succeeded", "candidate": "running"}
        return states.get(self.model.state, "neutral")

    @property
    def verdict(self) -> VerdictCard:
        # What is live was judged against the model before it, and that holds.
        is_live = self.model.state == "live"
        against = self.model.verdict.get("live", "") if is_live else self.live_fingerprint
        return VerdictCard(self.model.verdict, against)

    @property
    def figures(self) -> list[Figure]:
        if self.evaluation is None:
            return []
        return headline_figures(self.evaluation, self.live)

    @property
    def can_be_promoted(self) -> bool:
        return self.model.state != "live"


def headline_figures(evaluation: Evaluation, live: Evaluation | None = None) -> list[Figure]:
    """The few figures that stand for an evaluation, against the live model's where given."""
    own = evaluation.metrics.get("text_to_image") or {}
    other = (live.metrics.get("text_to_image") or {}) if live else {}
    is_same = live is None or live.pk == evaluation.pk
    spans = {} if is_same or live is None else evaluations.difference_spans(live, evaluation)
    return [
        Figure(
            name,
            own[name],
            *interval_of(own, name),
            difference=None if is_same or name not in other else own[name] - other[name],
            difference_span=spans.get(name),
        )
        for name in HEADLINES
        if name in own
    ]


def interval_of(direction: Mapping[str, Any], name: str) -> tuple[float | None, float | None]:
    span = (direction.get("intervals") or {}).get(name)
    return (span[0], span[1]) if span else (None, None)


def asked(evaluation: Evaluation) -> tuple[Any, ...]:
    """What two evaluations must share to be put side by side."""
    return (evaluation.protocol, evaluation.data_sha256, evaluation.gallery)


def evaluations_of_models() -> "Prefetch[Any]":
    """What :func:`model_cards` reads of each model besides its row."""
    return Prefetch("evaluations", queryset=Evaluation.objects.order_by("-pk"))


def model_cards(models: Iterable[ModelVersion], live: IndexVersion | None) -> list[ModelCard]:
    """Put models side by side on the queries that most of them were asked, the live one too.

    ``models`` come with their evaluations and indexes prefetched.
    """
    models = list(models)
    by_model = {model.pk: list(model.evaluations.all()) for model in models}
    of_live = by_model.get(live.model_version_id, []) if live else []
    shared = _most_shared(of_live, list(by_model.values()))
    reference = next((found for found in of_live if asked(found) == shared), None)
    fingerprint = live.model_version.fingerprint if live else ""
    cards = []
    for model in models:
        own = next((found for found in by_model[model.pk] if asked(found) == shared), None)
        cards.append(ModelCard(model, own, reference if own else None, fingerprint))
    return cards


def _most_shared(
    of_live: Sequence[Evaluation], all_of_them: Sequence[Sequence[Evaluation]]
) -> tuple[Any, ...] | None:
    """Return what most models were asked; the latest where several are asked as much.

    Only what the live model was asked counts, where it was asked anything.
    """
    groups = [{asked(found) for found in group} for group in all_of_them]
    candidates = of_live or [found for group in all_of_them for found in group]
    ordered = dict.fromkeys(
        asked(found) for found in sorted(candidates, key=lambda found: -found.pk)
    )
    return max(ordered, key=lambda key: sum(key in group for group in groups), default=None)


def report_values(evaluation: Evaluation) -> dict[str, Any]:
    """The whole evaluation, as :mod:`mlcore.reporting.report` takes it, by the names used here."""
    named = {"model": evaluation.model_version.name, "dataset": str(evaluation.dataset)}
    return evaluations.report(evaluation) | named
