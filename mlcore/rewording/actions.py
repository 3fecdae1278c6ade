"""Wrong actions: a verb for one that excludes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlcore.rewording.tokens import Caption, is_plural
from mlcore.rewording.verbs import forms
from mlcore.rewording.words import DETERMINERS, DIRECTIONS, PREPOSITIONS, listed


@dataclass(frozen=True, slots=True)
class _Verb:
    """What may stand for a verb without being true of the same picture."""

    still: str = ""
    """Without an object, at a place: "running on the grass" becomes "sleeping on the grass"."""
    moving: str = ""
    """Without an object, on a way: "running through the grass" becomes "crawling through ..."."""
    acting: str = ""
    """With an object: "throwing a ball" becomes "catching a ball"."""


_VERBS = {
    "run": _Verb("sit sleep stand", "walk crawl"),
    "race": _Verb("sit sleep stand", "walk crawl"),
    "jog": _Verb("sit sleep", "crawl skate"),
    "walk": _Verb("sit sleep lie", "run crawl", "carry chase wash"),
    "jump": _Verb("sit sleep stand", "walk crawl"),
    "leap": _Verb("sit sleep stand", "walk crawl"),
    "hop": _Verb("sit sleep lie", "walk crawl"),
    "sit": _Verb("stand jump run"),
    "stand": _Verb("sit lie run"),
    "lie": _Verb("stand run jump"),
    "lay": _Verb("stand run jump"),
    "sleep": _Verb("run jump dance"),
    "rest": _Verb("run jump dance"),
    "relax": _Verb("run fight dance"),
    "kneel": _Verb("jump run lie"),
    "crouch": _Verb("jump run lie"),
    "squat": _Verb("jump run lie"),
    "crawl": _Verb("stand sleep run", "run walk"),
    "lean": _Verb("jump dance"),
    "play": _Verb("sleep pray", "", "watch"),
    "swim": _Verb("stand sit sleep", "walk crawl"),
    "wade": _Verb("swim lie", "swim run"),
    "splash": _Verb("sleep stand"),
    "dive": _Verb("sleep sit", "look walk"),
    "climb": _Verb("sleep dance", "run jump", "paint descend"),
    "hike": _Verb("sit sleep swim", "run crawl"),
    "march": _Verb("sit sleep", "run crawl"),
    "slide": _Verb("stand sleep", "walk crawl"),
    "roll": _Verb("stand sit", "walk run"),
    "fall": _Verb("sleep dance", "climb walk"),
    "fly": _Verb("sit sleep", "fall roll"),
    "skateboard": _Verb("sit sleep", "walk crawl"),
    "snowboard": _Verb("sit sleep", "walk crawl"),
    "ski": _Verb("sit sleep", "walk crawl"),
    "skate": _Verb("sit sleep", "walk crawl"),
    "surf": _Verb("swim stand", "swim dive"),
    "dance": _Verb("sit sleep lie"),
    "sing": _Verb("sleep fight"),
    "bark": _Verb("sleep drink"),
    "fight": _Verb("sleep dance sit"),
    "wrestle": _Verb("sleep dance sit"),
    "pose": _Verb("fight dance sleep"),
    "wait": _Verb("dance run fight"),
    "talk": _Verb("sleep dance fight"),
    "smile": _Verb("cry frown sleep"),
    "laugh": _Verb("cry frown sleep"),
    "cry": _Verb("laugh smile"),
    "eat": _Verb("sleep dance", "", "throw drop wash"),
    "drink": _Verb("sleep dance", "", "spill pour"),
    "hold": _Verb(acting="push pull paint"),
    "carry": _Verb(acting="push drag wash"),
    "push": _Verb(acting="pull carry"),
    "pull": _Verb(acting="push carry"),
    "throw": _Verb(acting="catch hide"),
    "catch": _Verb(acting="throw drop"),
    "kick": _Verb(acting="catch carry"),
    "hit": _Verb(acting="catch carry"),
    "swing": _Verb(acting="drop paint"),
    "ride": _Verb(acting="push wash paint"),
    "drive": _Verb(acting="push wash paint"),
    "chase": _Verb(acting="ignore carry"),
    "follow": _Verb(acting="lead ignore"),
    "lead": _Verb(acting="follow chase"),
    "watch": _Verb(acting="ignore chase push"),
    "read": _Verb(acting="tear burn throw"),
    "hug": _Verb(acting="push chase"),
    "kiss": _Verb(acting="push chase"),
    "lick": _Verb(acting="chase ignore"),
    "bite": _Verb(acting="ignore lick"),
    "pet": _Verb(acting="chase photograph"),
    "feed": _Verb(acting="chase photograph"),
    "wash": _Verb(acting="paint break"),
    "paint": _Verb(acting="wash break"),
    "cross": _Verb(acting="sweep paint"),
    "open": _Verb(acting="close paint"),
    "close": _Verb(acting="open paint"),
    "enter": _Verb(acting="leave"),
    "leave": _Verb(acting="enter"),
}

_AIMED = {"look": "point shout laugh", "stare": "point shout", "point": "laugh shout"}
"""Verbs that go with "at"."""

_SPORTS = listed("rock ice horse bull wind water belly break")
"""Words that make one word with a verb: "rock climbing"."""

_ADVERBS = listed("together outside outdoors indoors nearby happily playfully quickly")


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
        return _AIMED[base].split() if following == "at" else []
    verb = _VERBS[base]
    if following in DIRECTIONS:
        return verb.moving.split()
    if (
        not following
        or not following[0].isalnum()
        or following in PREPOSITIONS | _ADVERBS
        or following in {"and", "while", "whilst", "or"}
    ):
        return verb.still.split()
    return verb.acting.split()


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
