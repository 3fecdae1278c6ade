"""A query's words to what the database is asked for."""

from collections.abc import Sequence

from gallery.fulltext.rows import FILE, STEM, TITLE, language
from gallery.models.text import Holding, Lexemes
from mlcore.words import Term, tokens


def alternatives(term: Term, mark: str = STEM) -> list[Lexemes]:
    """Return the lexemes of which a picture that has the word must hold those of one tuple."""
    stem = language().stem
    found: list[Lexemes] = [(mark + term.stem,)]
    if term.is_prefix:
        found.append((mark + term.word + "*",))
    found += [(mark + stem(word),) for word, _kind in term.variants]
    if term.parts:
        found.append(tuple(mark + part.stem for part in term.parts))
    return list(dict.fromkeys(found))


def all_of(terms: Sequence[Term], mark: str = STEM) -> Holding:
    """Ask for every one of these words."""
    return Holding.all_of([alternatives(term, mark) for term in terms])


def terms_of(text: str) -> list[Term]:
    """Read a text as words that must be there."""
    return [Term.of(token, language()) for token in dict.fromkeys(tokens(text))]


FIELD_MARKS = {"title": TITLE, "file": FILE}
"""Fields that can be asked for by themselves, and what their lexemes begin with."""
