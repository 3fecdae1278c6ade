"""The tables of the gallery in Django's admin."""

from gallery.admin import jobs, pictures, versions

__all__ = ["jobs", "pictures", "versions"]
