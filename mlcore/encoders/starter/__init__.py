"""The starter: a small model that a fresh machine runs with no download beyond pip."""

from mlcore.encoders.starter.encoder import STARTER, STARTER_FAMILY, StarterEncoder

__all__ = ["STARTER", "STARTER_FAMILY", "StarterEncoder"]
