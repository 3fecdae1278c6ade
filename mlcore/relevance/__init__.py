"""Relevance: one calibrated figure from all the evidence that a picture is what was asked for."""

from mlcore.relevance.evidence import CAPTION, EVIDENCE, NAMES, PICTURE, WORDS, EvidenceKind
from mlcore.relevance.model import STRONG, Parts, RelevanceModel, Weights
from mlcore.relevance.stock import default_model, shipped_model

__all__ = [
    "CAPTION",
    "EVIDENCE",
    "NAMES",
    "PICTURE",
    "STRONG",
    "WORDS",
    "EvidenceKind",
    "Parts",
    "RelevanceModel",
    "Weights",
    "default_model",
    "shipped_model",
]
