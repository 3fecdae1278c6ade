"""What people wrote, as words: how a text is cut, compared and scored, whatever the database.

A text becomes :mod:`tokens <mlcore.words.tokens>`, free of case, accents and width; a
:class:`Language` gives their stems and tells the words that say nothing. What is asked is a
:class:`WordQuery`, what is written on one picture a :class:`Document`, and :func:`score` says how
much of the one the other holds. :class:`Vocabulary` stands for the words of a whole gallery: how
rare they are, and what else an unknown one may mean.
"""

from mlcore.words.documents import FIELDS, Document
from mlcore.words.language import LANGUAGES, Language
from mlcore.words.marking import Marker, marked
from mlcore.words.query import Kind, Term, WordQuery
from mlcore.words.scoring import TermMatch, WordMatch, holds, score
from mlcore.words.tokens import fold, tokens
from mlcore.words.vocabulary import MemoryVocabulary, Vocabulary, expand, idf_of

__all__ = [
    "FIELDS",
    "LANGUAGES",
    "Document",
    "Kind",
    "Language",
    "Marker",
    "MemoryVocabulary",
    "Term",
    "TermMatch",
    "Vocabulary",
    "WordMatch",
    "WordQuery",
    "expand",
    "fold",
    "holds",
    "idf_of",
    "marked",
    "score",
    "tokens",
]
