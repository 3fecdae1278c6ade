"""What is asked, as words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from mlcore.words.language import Language
from mlcore.words.tokens import joined, parts, sequence, tokens

Kind: TypeAlias = Literal["exact", "stem", "prefix", "typo"]
"""How a word is found, the best first."""
Phrase: TypeAlias = tuple[str, ...]
"""Parts of tokens that must follow one another."""

MAX_TERMS = 32
"""Words of a query that are looked for; what comes after them is another question."""
MIN_PREFIX = 2
"""Characters of a number or a name that is looked for by its beginning."""


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a query."""

    token: str
    """As in :mod:`.tokens`."""
    stem: str
    """Of the whole, in one piece."""
    is_stop: bool = False
    parts: "tuple[Term, ...]" = ()
    """What a name such as ``img_2034`` is made of; empty for a plain word."""
    variants: tuple[tuple[str, Kind], ...] = ()
    """Words of the gallery that an unknown one may mean, and how they are related."""

    @classmethod
    def of(cls, token: str, language: Language) -> "Term":
        pieces = parts(token)
        inner = tuple(cls.of(piece, language) for piece in pieces) if len(pieces) > 1 else ()
        return cls(token, language.stem(joined(token)), language.is_stop(token), inner)

    @property
    def word(self) -> str:
        """The word in one piece."""
        return joined(self.token)

    @property
    def is_prefix(self) -> bool:
        """Numbers and names are found by their beginnings too: ``IMG_20``."""
        word = self.word
        return len(word) >= MIN_PREFIX and any(sign.isdigit() for sign in word)


@dataclass(frozen=True, slots=True)
class WordQuery:
    """What the words of a picture are compared with. Made by :meth:`of`."""

    language: Language
    terms: tuple[Term, ...] = ()
    """Each once, in order; those of the phrases among them."""
    phrases: tuple[Phrase, ...] = ()
    """What must occur as it is."""
    excluded: tuple[Term, ...] = ()
    """What must not occur, in any form of the word."""
    whole: Phrase = ()
    """The whole of what is asked, to be compared with a whole title, caption, tag or file name."""
    telling: tuple[Term, ...] = field(init=False)
    """The terms that say something: all but stop words, or all where there are only those."""

    def __post_init__(self) -> None:
        telling = tuple(term for term in self.terms if not term.is_stop) or self.terms
        object.__setattr__(self, "telling", telling)

    @classmethod
    def of(
        cls,
        text: str,
        language: Language,
        *,
        phrases: Iterable[str] = (),
        excluded: Iterable[str] = (),
    ) -> "WordQuery":
        """Read what is asked; no part of it needs to hold any word."""
        quoted = list(phrases)
        written = dict.fromkeys(token for each in (text, *quoted) for token in tokens(each))
        unwanted = dict.fromkeys(token for each in excluded for token in tokens(each))
        return cls(
            language,
            terms=_terms(list(written), language),
            phrases=tuple(phrase for each in quoted if (phrase := sequence(each))),
            excluded=_terms(list(unwanted), language),
            whole=sequence(" ".join((text, *quoted))),
        )

    def __bool__(self) -> bool:
        return bool(self.terms or self.excluded)


def _terms(written: Sequence[str], language: Language) -> tuple[Term, ...]:
    return tuple(Term.of(token, language) for token in written[:MAX_TERMS])
