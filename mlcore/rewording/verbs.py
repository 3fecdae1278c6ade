"""Forms of English verbs."""

from __future__ import annotations

# Verbs that double the last letter, drop an e or change otherwise; the rest follow the rules.
_IRREGULAR = {
    "lie": ("lies", "lying"),
    "run": ("runs", "running"),
    "sit": ("sits", "sitting"),
    "swim": ("swims", "swimming"),
    "jog": ("jogs", "jogging"),
    "hit": ("hits", "hitting"),
    "hug": ("hugs", "hugging"),
    "drop": ("drops", "dropping"),
    "drag": ("drags", "dragging"),
    "pet": ("pets", "petting"),
    "squat": ("squats", "squatting"),
    "grab": ("grabs", "grabbing"),
    "ski": ("skis", "skiing"),
}


def forms(base: str) -> tuple[str, str, str]:
    """Return the base, the third person and the participle: push, pushes, pushing."""
    if base in _IRREGULAR:
        return (base, *_IRREGULAR[base])
    third = base + "s"
    if base.endswith(("s", "sh", "ch", "x")):
        third = base + "es"
    elif base.endswith("y") and base[-2] not in "aeiou":
        third = base[:-1] + "ies"
    return base, third, (base[:-1] if base.endswith("e") else base) + "ing"
