"""Relevance models that need no fitting: those that are shipped, and a conservative default."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from mlcore.relevance.model import RelevanceModel

_SHIPPED = Path(__file__).parent / "shipped"
"""A file for each model that comes with the program, written by ``python -m mlcore fit-relevance``;
``encoders`` in it says whose cosines its weights belong to."""

_FAMILIES: dict[str, dict[str, tuple[float, float]]] = {
    # Cosines of the starter and of what is trained from it spread far wider than CLIP's.
    "starter": {"picture": (14.0, 0.25)},
}
"""By family of models, what the kinds of evidence are worth where ``EVIDENCE`` does not say it."""


def default_model(family: str) -> RelevanceModel:
    """Return a conservative model for a family of encoders (``starter``, ``clip``).

    It errs to calling hits weak. One fitted on captions of the gallery is better: see
    :mod:`mlcore.relevance.fitting`.
    """
    return RelevanceModel({}, defaults=_FAMILIES.get(family, {}))


def shipped_model(fingerprint: str) -> RelevanceModel | None:
    """Return the model that was fitted for an encoder and comes with it, None where there is none.

    Args:
        fingerprint: of the encoder of pictures and queries.
    """
    for path in sorted(_SHIPPED.glob("*.json")):
        model = RelevanceModel.from_json(json.loads(path.read_text(encoding="utf-8")))
        if model.encoders.get("picture") == fingerprint:
            return replace(model, source="shipped")
    return None
