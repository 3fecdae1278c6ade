"""What the evidence says to those who ask why a picture was found, or why nothing fits."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import get_language, get_language_info

from mlcore.i18n import Message
from mlcore.relevance import NAMES
from search.query import SearchQuery
from search.ranking import Asked, Ranking

WHOLE = "whole"
"""Kind of what a whole match adds; the kinds of evidence are called as in
:data:`mlcore.relevance.NAMES`."""
SAME = "same"
"""Kind of what it adds to be the example picture itself."""
FEW_PICTURES = 20
"""Below so many it is no wonder that none fits."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one kind of evidence says of a picture."""

    kind: str
    log_odds: float
    """What it adds to the score; what speaks against the picture is below 0."""
    caption_id: int | None = None
    """The caption that is nearest to what was asked; None where it is the title."""
    fields: tuple[str, ...] = ()
    """Where the words are written: ``title``, ``caption``, ``tag`` ..."""
    terms: tuple[str, ...] = ()
    """The words that were found."""


def evidence_of(ranking: Ranking, row: int) -> tuple[Evidence, ...]:
    """Return all evidence of one picture of a ranking, what speaks most for it first; that it is
    the example itself before all."""
    pk = int(ranking.ids[row])
    caption, words = int(ranking.captions[row]), ranking.words.get(pk)
    found = []
    lifted_as = SAME if ranking.is_same[row] else WHOLE
    for kind, part in zip((*NAMES, lifted_as), ranking.parts[row].tolist(), strict=True):
        if part:
            is_words = words is not None and kind in ("words", WHOLE)
            found.append(
                Evidence(
                    kind,
                    part,
                    caption if caption > 0 and kind == "caption" else None,
                    words.fields if words and is_words else (),
                    tuple(match.term for match in words.matches) if words and is_words else (),
                )
            )
    return tuple(sorted(found, key=lambda each: (each.kind != SAME, -each.log_odds)))


def other_language(languages: Sequence[str]) -> Message | None:
    """Tell which languages the model reads, where that of the page is none of them.

    Args:
        languages: as :attr:`mlcore.encoders.Encoder.languages`; empty where they are not known.
    """
    spoken = (get_language() or "").split("-")[0]
    if not languages or spoken in languages:
        return None
    names = [str(get_language_info(code)["name_translated"]) for code in languages]
    return Message.of("search.other_language", languages=names)


def why_nothing_fits(query: SearchQuery, asked: Asked, searched: int) -> Message:
    """Say why no hit is strong, as far as that is known, and what to do."""
    if not searched:
        return Message("search.nothing_left" if query.where else "search.nothing_there")
    if asked.picture is None and not asked.words:
        return Message("search.nothing_read")
    if query.where:
        return Message.of("search.nothing_strong_filtered", count=searched)
    if searched < FEW_PICTURES:
        return Message.of("search.nothing_strong_of_few", count=searched)
    return Message("search.nothing_strong")
