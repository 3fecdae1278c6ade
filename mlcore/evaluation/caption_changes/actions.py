"""Wrong actions: a verb for one that excludes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlcore.evaluation.caption_changes.tokens import Caption, is_plural
from mlcore.evaluation.caption_changes.verbs import forms
from mlcore.evaluation.caption_changes.words import (
    DETERMINERS,
    DIRECTIONS,
    LISTS,
    PREPOSITIONS,
    options,
    word_set,
)

_VERBS: Mapping[str, Mapping[str, str]] = LISTS["verbs"]
_AIMED = options("aimed_verbs")
_SPORTS = word_set("actions", "sports")
_ADVERBS = word_set("actions", "adverbs")


def other_actions(caption: Caption) -> Iterator[str]:
    """Yield the caption with each action in turn made another that excludes it."""
    for place, word in enumerate(caption.words):
        for base, form in _FORMS.get(word, ()):
            if caption.is_name(place) or not _is_a_verb(caption, place, form):
                continue
            options = [_inflect(other, form) for other in _others(caption, place, base)]
            other = caption.choose(place, options)
            if other:
                yield caption.replace(place, place + 1, other)
                break


def _others(caption: Caption, place: int, base: str) -> list[str]:
    following = caption.word(place + 1)
    if base in _AIMED:
        return _AIMED[base] if following == "at" else []
    verb = _VERBS[base]
    if following in DIRECTIONS:
        return verb.get("moving", "").split()
    if (
        not following
        or not following[0].isalnum()
        or following in PREPOSITIONS | _ADVERBS
        or following in {"and", "while", "whilst", "or"}
    ):
        return verb.get("still", "").split()
    return verb.get("acting", "").split()


def _is_a_verb(caption: Caption, place: int, form: int) -> bool:
    before = caption.word(place - 1)
    if form == 0:
        # "two dogs run", but not "the jump" or "a swim".
        return is_plural(before)
    if before in DETERMINERS or before in _SPORTS:
        return False
    # "in the stands", "with skis"; a participle may follow a preposition: "a man in red running".
    return form == 2 or bool(before and before not in PREPOSITIONS)


def _inflect(base: str, form: int) -> str:
    """Return the base (0), the third person (1) or the participle (2)."""
    return forms(base)[form]


_FORMS: dict[str, list[tuple[str, int]]] = {}
for _base in (*_VERBS, *_AIMED):
    for _number, _form in enumerate(forms(_base)):
        _FORMS.setdefault(_form, []).append((_base, _number))
