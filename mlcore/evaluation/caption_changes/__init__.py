"""Captions made wrong by one small change, to learn from and to test composition with.

A model that reads a caption as a bag of words scores "a dog chases a cat" and "a cat chases a dog"
alike. Such pairs test for that (Yuksekgonul et al. 2023, "When and why vision-language models
behave like bags-of-words", section 2), and teach against it (NegCLIP, section 4).

The changes come from word lists and the words beside a match, without a parser: a change that
cannot be told to be grammatical and untrue is left out, so many captions have none of some kind.
English only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from mlcore.evaluation.caption_changes.actions import other_actions
from mlcore.evaluation.caption_changes.attributes import other_colours, other_counts
from mlcore.evaluation.caption_changes.places import other_places
from mlcore.evaluation.caption_changes.roles import swapped_roles
from mlcore.evaluation.caption_changes.tokens import Caption

Kind: TypeAlias = Literal["colour", "count", "action", "place", "role"]

KINDS: tuple[Kind, ...] = get_args(Kind)

_CHANGES: dict[Kind, Callable[[Caption], Iterator[str]]] = {
    "colour": other_colours,
    "count": other_counts,
    "action": other_actions,
    "place": other_places,
    "role": swapped_roles,
}


@dataclass(frozen=True, slots=True)
class WrongCaption:
    """A caption that is no longer true of its picture."""

    kind: Kind
    """What was changed."""
    text: str


def wrong_captions(caption: str) -> list[WrongCaption]:
    """Return minimally changed captions that are no longer true, at most one for each place.

    One colour, count, action or place becomes another, or who does what to whom is turned round.
    The same caption gives the same list. Which word takes the place of another depends on the
    whole caption, so no word is a sign of being wrong.

    Args:
        caption: one English sentence or phrase.

    Returns:
        Ordered by kind, then by place in the caption; empty where nothing can safely be changed.
        No text comes twice and none is the caption itself.
    """
    read = Caption(caption)
    found: dict[str, WrongCaption] = {}
    for kind, change in _CHANGES.items():
        for text in change(read):
            if text != caption:
                found.setdefault(text, WrongCaption(kind, text))
    return list(found.values())
