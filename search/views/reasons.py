"""Why a picture was found, in the reader's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from mlcore.i18n import figure
from search.relevance import WHOLE, Evidence

WRITTEN_IN = {
    "title": gettext_lazy("in its title"),
    "caption": gettext_lazy("in a caption"),
    "tag": gettext_lazy("in a tag"),
    "file": gettext_lazy("in its file name"),
    "collection": gettext_lazy("in its collection"),
    "creator": gettext_lazy("in its creator"),
    "credit": gettext_lazy("in its credit"),
}
"""By field of :data:`mlcore.words.FIELDS`."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One line of the sum that makes a score."""

    label: str
    value: str
    """Log-odds, with sign."""


def in_a_word(evidence: Sequence[Evidence]) -> str:
    """Say what speaks most for a picture; nothing where nothing does."""
    best = evidence[0] if evidence else None
    if best is None or best.log_odds <= 0:
        return ""
    return _label(best)


def reasons(evidence: Sequence[Evidence]) -> list[Reason]:
    """List all evidence. With :func:`reason_against` it sums up to the log-odds of the
    relevance."""
    return [Reason(_label(each), _signed(each.log_odds)) for each in evidence]


def reason_against(searched: int, mark: float) -> Reason:
    """Tell what there is against any one of so many pictures: the ``mark`` that it has to reach."""
    prior = ngettext("one of %(count)s picture", "one of %(count)s pictures", searched)
    return Reason(prior % {"count": figure(searched, ",")}, _signed(-mark))


def _label(evidence: Evidence) -> str:
    is_caption = evidence.caption_id is not None
    return _worded(evidence.kind, is_caption, evidence.fields, get_language())


@lru_cache(maxsize=1_000)  # few are told apart, and a page says dozens of them
def _worded(kind: str, is_caption: bool, fields: tuple[str, ...], language: str | None) -> str:
    """Word a piece of evidence in the language that is spoken, which ``language`` names."""
    match kind:
        case "same":
            return _("the same picture")
        case "picture":
            return _("looks like it")
        case "caption":
            return _("a caption says so") if is_caption else _("its title says so")
    places = [str(WRITTEN_IN[field]) for field in fields if field in WRITTEN_IN]
    if not places:
        return _("no word of it is written on it")
    if kind == WHOLE:
        return _("just this stands %(places)s") % {"places": places[0]}
    return ", ".join(places)


def _signed(log_odds: float) -> str:
    return f"{log_odds:+.1f}".replace("-", "−")
