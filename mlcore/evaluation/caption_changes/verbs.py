"""Forms of English verbs."""

from __future__ import annotations

from mlcore.evaluation.caption_changes.words import options

_IRREGULAR = options("irregular_verbs")


def forms(base: str) -> tuple[str, str, str]:
    """Return the base, the third person and the participle: push, pushes, pushing."""
    if base in _IRREGULAR:
        third, participle = _IRREGULAR[base]
        return base, third, participle
    third = base + "s"
    if base.endswith(("s", "sh", "ch", "x")):
        third = base + "es"
    elif base.endswith("y") and base[-2] not in "aeiou":
        third = base[:-1] + "ies"
    return base, third, (base[:-1] if base.endswith("e") else base) + "ing"
