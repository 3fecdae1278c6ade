"""Other ways to ask, offered with an answer and taken with one click."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlcore.i18n import Message
from search.query import Part, SearchQuery, Words
from search.syntax import propose_without


@dataclass(frozen=True, slots=True)
class Offer:
    """A search that may say better what was meant."""

    message: Message
    query: SearchQuery


def offers(query: SearchQuery) -> Iterator[Offer]:
    """Offer to leave out what a sentence calls unwanted, and what must not be written by its looks
    as well."""
    unwanted = {part.subject for part in query.parts if not part.wanted}
    for at, part in enumerate(query.parts):
        if not (part.wanted and isinstance(part.subject, Words)):
            continue
        proposal = propose_without(part.subject.text)
        if proposal is not None and Words(proposal.without) not in unwanted:
            kept = replace(part, subject=Words(proposal.text))
            rest = (*query.parts[:at], kept, *query.parts[at + 1 :])
            yield _without(proposal.without, query.with_parts(*rest))
    for word in query.where.values("exclude"):
        if query.words and Words(word) not in unwanted:
            yield _without(word, query)


def _without(text: str, query: SearchQuery) -> Offer:
    parts = (*query.parts, Part(Words(text), wanted=False))
    return Offer(Message.of("search.offer_without", text=text), query.with_parts(*parts))
