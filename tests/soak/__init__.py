"""Searches for as long as one likes, rebuilds and kills meanwhile: ``python -m tests.soak``."""
