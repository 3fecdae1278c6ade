"""The tables of the gallery in Django's admin."""

from gallery.admin import bookkeeping, jobs, learning, pictures, sentences, sources, versions

__all__ = ["bookkeeping", "jobs", "learning", "pictures", "sentences", "sources", "versions"]
