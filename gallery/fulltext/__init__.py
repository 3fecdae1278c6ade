"""Full-text search over what people wrote on pictures.

:func:`ask` reads what is asked, :func:`find` proposes pictures, :func:`score_of` says how
much of it each holds, and :func:`refresh` lets all of them know what was written.
"""

from gallery.fulltext.narrowing import with_phrase, without_word, written_in
from gallery.fulltext.reading import TextQuery, ask, find, score_of
from gallery.fulltext.upkeep import catch_up, keep_up, refresh

__all__ = [
    "TextQuery",
    "ask",
    "catch_up",
    "find",
    "keep_up",
    "refresh",
    "score_of",
    "with_phrase",
    "without_word",
    "written_in",
]
