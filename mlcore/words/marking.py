"""Where the words that were asked for stand in a text."""

from collections.abc import Iterator

from mlcore.words.query import Phrase, WordQuery
from mlcore.words.scoring import Lookup
from mlcore.words.tokens import parts, spans


def marked(text: str, query: WordQuery) -> Iterator[tuple[str, bool]]:
    """As :meth:`Marker.pieces`, for a single text."""
    return Marker(query).pieces(text)


class Marker:
    """Tells where the words of one query stand in texts. Words that come again are known."""

    def __init__(self, query: WordQuery) -> None:
        self._lookup = Lookup(query)
        self._phrases = query.phrases
        self._known: dict[str, bool] = {}

    def pieces(self, text: str) -> Iterator[tuple[str, bool]]:
        """Cut a text into pieces, each with whether it is a word that was asked for.

        Joined together, the pieces are the text. Stop words are marked only inside of a phrase.
        """
        found = list(spans(text))
        hit = [self._is_asked(span.token) for span in found]
        for phrase in self._phrases:
            _mark_phrase(phrase, [parts(span.token) for span in found], hit)
        at = 0
        for index, span in enumerate(found):
            if not hit[index]:
                continue
            if at < span.start:
                yield text[at : span.start], False
            yield text[span.start : span.end], True
            at = span.end
        if at < len(text):
            yield text[at:], False

    def _is_asked(self, token: str) -> bool:
        is_asked = self._known.get(token)
        if is_asked is None:
            is_asked = self._known[token] = bool(self._lookup.read(token))
        return is_asked


def _mark_phrase(phrase: Phrase, written: list[list[str]], hit: list[bool]) -> None:
    """Mark every place where the parts of a phrase follow one another."""
    owners = [at for at, pieces in enumerate(written) for _ in pieces]
    flat = tuple(piece for pieces in written for piece in pieces)
    for at in range(len(flat) - len(phrase) + 1):
        if flat[at : at + len(phrase)] == phrase:
            for owner in owners[at : at + len(phrase)]:
                hit[owner] = True
