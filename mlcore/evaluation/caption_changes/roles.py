"""Wrong roles: who does what to whom, and what is where, turned round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlcore.evaluation.caption_changes.tokens import Caption, is_participle, is_plural
from mlcore.evaluation.caption_changes.verbs import forms
from mlcore.evaluation.caption_changes.words import (
    ANIMALS,
    ARTICLES,
    DETERMINERS,
    FUNCTION_WORDS,
    NUMBERS,
    PEOPLE,
    POSSESSIVES,
    word_set,
    words_of,
)

_DEEDS = sorted(word_set("roles", "deeds"))
_TOWARDS = words_of("roles", "towards")
_PLACES = words_of("roles", "places")
_ATTRIBUTES = word_set("roles", "attributes")
_SINGULAR = ARTICLES - {"the"}
_BE = frozenset({"is", "are"})
_NO_PARTICIPANT = word_set("roles", "no_participant")
_NOUNS_IN_ED = word_set("roles", "nouns_in_ed")


@dataclass(frozen=True, slots=True)
class _Relation:
    words: list[str]
    agrees: bool
    """Whether its verb agrees with its subject: "chases" does, "chasing" does not."""
    deed: bool


def swapped_roles(caption: Caption) -> Iterator[str]:
    """Yield the caption with the two phrases around each one-sided relation swapped."""
    for place in range(1, len(caption)):
        for relation in _RELATIONS.get(caption.word(place), ()):
            if caption.words[place : place + len(relation.words)] == relation.words:
                swapped = _swapped(caption, place, relation)
                if swapped:
                    yield swapped
                break


def _swapped(caption: Caption, start: int, relation: _Relation) -> str | None:
    whom = _phrase_from(caption, start + len(relation.words))
    agrees = relation.agrees
    if caption.word(start - 1) in _BE:
        start, agrees = start - 1, True
    who = _phrase_to(caption, start)
    while who and relation.deed and caption.word(who[0] - 1) in _ATTRIBUTES:
        who = _phrase_to(caption, who[0] - 1)
    if not who or not whom:
        return None
    # A phrase after a preposition is not the one that acts: "a boy on a bike holding a dog".
    before = caption.word(who[0] - 1)
    leads = before in {"and", "while", "as", "whilst"}
    if before in _ATTRIBUTES or (before in FUNCTION_WORDS and not leads):
        return None
    same = caption.words[who[0] + 1 : who[1]] == caption.words[whom[0] + 1 : whom[1]]
    if same or (agrees and _is_several(caption, who) != _is_several(caption, whom)):
        return None
    return caption.swap(who, whom)


def _phrase_from(caption: Caption, start: int) -> tuple[int, int] | None:
    """Return the noun phrase that begins at ``start``: a determiner and up to four words."""
    if not _opens(caption.word(start)):
        return None
    end = start + 1
    while end - start <= 4 and _belongs(caption, end):
        end += 1
    whole = (
        end - start > 1
        and not _belongs(caption, end)
        and caption.word(end) not in {"of", "'s", "one", "ones"}
    )
    return (start, end) if whole and _is_participant(caption.word(end - 1)) else None


def _phrase_to(caption: Caption, end: int) -> tuple[int, int] | None:
    """Return the noun phrase that ends before ``end``."""
    start = end - 1
    while end - start <= 4 and start > 0 and _belongs(caption, start):
        start -= 1
    first, last = caption.word(start), caption.word(end - 1)
    found = _opens(first) and end - start > 1 and _is_participant(last)
    # "a boy balances" is a phrase and its verb.
    return (start, end) if found and not (first in _SINGULAR and is_plural(last)) else None


def _is_participant(noun: str) -> bool:
    # "a leash attached to" ends in no noun.
    is_past = noun.endswith("ed") and noun not in _NOUNS_IN_ED
    return noun not in _NO_PARTICIPANT and not is_past


def _opens(word: str) -> bool:
    return word in DETERMINERS and word not in POSSESSIVES and word not in {"that", "each"}


def _belongs(caption: Caption, place: int) -> bool:
    """Tell whether a word may be an adjective or noun inside a phrase."""
    word = caption.word(place)
    if word == "and":
        # "a black and white dog", and not "a boy and his dog".
        return caption.word(place - 1) in _COLOURS and caption.word(place + 1) in _COLOURS
    return bool(
        word
        and word[0].isalpha()
        and word not in FUNCTION_WORDS
        and word not in _VERBS
        and not is_participle(word)
        and not (is_plural(word) and caption.word(place - 1) in _ACTORS)
        and not caption.is_name(place)
    )


def _is_several(caption: Caption, phrase: tuple[int, int]) -> bool:
    first = caption.word(phrase[0])
    if first in _SINGULAR:
        return False
    return first in NUMBERS or is_plural(caption.word(phrase[1] - 1))


_ACTORS = frozenset(word for word in PEOPLE | ANIMALS if not is_plural(word))

_COLOURS = word_set("roles", "colours")


def _relations() -> dict[str, list[_Relation]]:
    """Every relation under its first word, those of most words first."""
    found = [_Relation(words.split(), agrees=False, deed=False) for words in _PLACES]
    for words in (*_DEEDS, *_TOWARDS):
        verb, *rest = words.split()
        base, third, participle = forms(verb)
        deed = words in _DEEDS
        found += [
            _Relation([base, *rest], agrees=True, deed=deed),
            _Relation([third, *rest], agrees=True, deed=deed),
            _Relation([participle, *rest], agrees=False, deed=deed),
        ]
    by_first: dict[str, list[_Relation]] = {}
    for relation in sorted(found, key=lambda relation: -len(relation.words)):
        by_first.setdefault(relation.words[0], []).append(relation)
    return by_first


_RELATIONS = _relations()
_VERBS = _RELATIONS.keys() - FUNCTION_WORDS - {"left", "right"} | word_set("roles", "verbs")
