"""How metrics, directions and kinds of changes are called where people read of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from mlcore.i18n import figure, gettext, gettext_noop

DIRECTIONS = {
    "text_to_image": gettext_noop("Words to pictures"),
    "image_to_text": gettext_noop("Pictures to words"),
    "image_to_image": gettext_noop("Pictures to pictures"),
}

KINDS = {
    "colour": gettext_noop("Colour"),
    "count": gettext_noop("Number"),
    "action": gettext_noop("Action"),
    "place": gettext_noop("Place"),
    "role": gettext_noop("Who does what"),
}
"""What was changed in a caption to make it wrong, see :mod:`mlcore.evaluation.caption_changes`."""

EVIDENCE = {
    "picture": gettext_noop("picture alone"),
    "captions": gettext_noop("captions alone"),
    "words": gettext_noop("words alone"),
    "all": gettext_noop("all evidence"),
}
"""What scores pictures, see :mod:`mlcore.evaluation.held_caption`."""

_NAMES = {
    "hit_rate": gettext_noop("Hit rate"),
    "mrr": gettext_noop("MRR"),
    "median_rank": gettext_noop("Median rank"),
    "recall": gettext_noop("Recall"),
    "precision": gettext_noop("Precision"),
    "ndcg": gettext_noop("nDCG"),
}
"""In the order in which tables list them."""


def metric_words(name: str) -> str:
    """Say ``hit_rate@5`` as "Hit rate at 5"."""
    base, _, k = name.partition("@")
    words = gettext(_NAMES.get(base, base.replace("_", " ")))
    return gettext("%(metric)s at %(k)s") % {"metric": words, "k": k} if k else words


def figure_words(value: float) -> str:
    """Write a figure to a thousandth, as every table here does."""
    return figure(value, ".3f").replace("-", "\N{MINUS SIGN}")


def kind_words(kind: str) -> str:
    """Say what was changed in a caption."""
    return gettext(KINDS[kind]) if kind in KINDS else kind


def scenario_words(found: Mapping[str, Any]) -> str:
    """Say what scored, and what was known of the pictures while a caption asked.

    Args:
        found: one of the ``with_evidence`` of an evaluation.
    """
    evidence = gettext(EVIDENCE.get(found["evidence"], found["evidence"]))
    if not found["others"]:
        return gettext("%(evidence)s, no other caption known") % {"evidence": evidence}
    return gettext(
        "%(evidence)s, other captions known: %(others)s, of %(share)s %% of the pictures"
    ) % {
        "evidence": evidence,
        "others": found["others"],
        "share": figure(100 * found["share"], ".0f"),
    }


def direction_words(name: str) -> str:
    """Say what is asked and what is looked for."""
    return gettext(DIRECTIONS[name])


def in_order(names: Iterable[str]) -> list[str]:
    """Sort the names of metrics as tables list them: by kind, then by k."""
    kinds = list(_NAMES)

    def place(name: str) -> tuple[int, int]:
        base, _, k = name.partition("@")
        return (kinds.index(base) if base in kinds else len(kinds), int(k or 0))

    return sorted(names, key=place)
