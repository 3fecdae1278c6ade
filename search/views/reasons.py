"""Why a picture was found, in the reader's words."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

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


def reasons(evidence: Sequence[Evidence], searched: int, mark: float) -> list[Reason]:
    """List all evidence, and what there is against any one of so many pictures: the ``mark`` that
    it has to reach. They sum up to the log-odds of the relevance."""
    listed = [Reason(_label(each), _signed(each.log_odds)) for each in evidence]
    prior = ngettext("one of %(count)s picture", "one of %(count)s pictures", searched)
    return [*listed, Reason(prior % {"count": figure(searched, ",")}, _signed(-mark))]


def _label(evidence: Evidence) -> str:
    match evidence.kind:
        case "same":
            return _("the same picture")
        case "picture":
            return _("looks like it")
        case "caption":
            return _("a caption says so") if evidence.caption_id else _("its title says so")
    places = [str(WRITTEN_IN[field]) for field in evidence.fields if field in WRITTEN_IN]
    if not places:
        return _("no word of it is written on it")
    if evidence.kind == WHOLE:
        return _("just this stands %(places)s") % {"places": places[0]}
    return ", ".join(places)


def _signed(log_odds: float) -> str:
    return f"{log_odds:+.1f}".replace("-", "−")
