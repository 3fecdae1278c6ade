"""Which kind of index fits how many pictures, and why."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mlcore.config import IndexSpec
from mlcore.i18n import Message

Kind: TypeAlias = Literal["flat", "ivf_sq8"]

EXACT_UP_TO = 100_000
"""Vectors up to which reading every one takes about 10 ms on two cores, so nothing is gained by
being inexact."""

LISTS_PER_ROOT = 4
"""Inverted lists are this times the square root of the number of vectors, FAISS's own guideline
for up to a million. Measured at 1,000,000 x 512: with 4,096 lists recall of 0.97 takes 128 of them
and 1.7 ms, with 8,192 lists 192 of them and 2.1 ms, at twice the time to build."""

POINTS_PER_LIST = 39
"""Vectors that k-means needs for each list; with fewer FAISS warns."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A kind of index and why it was chosen."""

    kind: Kind
    lists: int
    """Inverted lists; 0 for an exact index."""
    reason: Message


def choose_kind(spec: IndexSpec, count: int) -> Choice:
    """Choose how to index ``count`` vectors.

    Raises:
        ValueError: the spec names a kind that does not exist.
    """
    if spec.kind == "flat" or (spec.kind == "auto" and count <= EXACT_UP_TO):
        if spec.kind == "flat":
            return Choice("flat", 0, Message.of("index.exact_asked_for", vectors=count))
        reason = Message.of("index.exact_few", vectors=count, limit=EXACT_UP_TO)
        return Choice("flat", 0, reason)
    if spec.kind not in {"auto", "ivf_sq8"}:
        raise ValueError(
            f"There is no index of the kind {spec.kind!r}; use 'auto', 'flat' or 'ivf_sq8'."
        )
    lists = number_of_lists(count)
    recall = f"{spec.recall:g}"
    if spec.kind == "ivf_sq8":
        reason = Message.of("index.inverted_asked_for", vectors=count, lists=lists, recall=recall)
    else:
        reason = Message.of(
            "index.inverted_many", vectors=count, limit=EXACT_UP_TO, lists=lists, recall=recall
        )
    return Choice("ivf_sq8", lists, reason)


def number_of_lists(count: int) -> int:
    """Inverted lists for ``count`` vectors: at least 1, and no more than k-means can place."""
    wanted = round(LISTS_PER_ROOT * math.sqrt(count))
    return max(1, min(wanted, count // POINTS_PER_LIST))
