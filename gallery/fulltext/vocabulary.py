"""The words of the gallery, as they are counted in the table of lexemes."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db import connection

from gallery.fulltext.rows import SIZE, STEM, WORD, is_counted
from gallery.models import Lexeme
from mlcore.words.vocabulary import affixes

RESEMBLING = 2_000
"""Words compared with a misspelled one, those of the most pictures first."""


class DatabaseVocabulary:
    """What is known of all words. Made for one query: it remembers what it has read."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    @property
    def size(self) -> int:
        """Number of pictures with words."""
        self._read(())
        return self._known.get(SIZE, 0)

    def frequencies(self, stems: Collection[str]) -> Mapping[str, int]:
        """Return how many pictures hold each of these stems; long numbers are held by one."""
        self._read([STEM + stem for stem in stems if is_counted(stem)])
        return {stem: self._known[STEM + stem] if is_counted(stem) else 1 for stem in stems}

    def _read(self, lexemes: Sequence[str]) -> None:
        unknown = [each for each in (SIZE, *lexemes) if each not in self._known]
        if unknown:
            rows = Lexeme.objects.filter(text__in=unknown).values_list("text", "documents")
            self._known |= {**dict.fromkeys(unknown, 0), **dict(rows)}

    def starting_with(self, beginning: str, limit: int) -> Sequence[str]:
        """Return words with this beginning, those of the most pictures first."""
        return _words(f"text {_begins()}", [WORD + beginning], limit)

    def resembling(self, word: str, slips: int) -> Iterable[str]:
        """Return words that keep the beginning or the end of ``word``."""
        beginning, end = affixes(word, slips)
        lengths = [len(WORD) + len(word) + step for step in (-slips, slips)]
        condition = (
            f"(text {_begins()} OR backwards {_begins()}) AND LENGTH(text) BETWEEN %s AND %s"
        )
        return _words(condition, [WORD + beginning, end[::-1]], RESEMBLING, lengths)


def _begins() -> str:
    """How the database asks for a beginning so that it uses its index."""
    return "LIKE %s" if connection.vendor == "postgresql" else "GLOB %s"


def _words(
    condition: str, beginnings: Sequence[str], limit: int, more: Sequence[int] = ()
) -> list[str]:
    # Words consist of letters, so that nothing in them is a pattern.
    rest = "%" if connection.vendor == "postgresql" else "*"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT text FROM gallery_lexeme WHERE {condition} "  # noqa: S608
            "ORDER BY documents DESC, text LIMIT %s",
            [*(beginning + rest for beginning in beginnings), *more, limit],
        )
        return [text[len(WORD) :] for (text,) in cursor.fetchall()]
