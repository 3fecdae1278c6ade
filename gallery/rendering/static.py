"""Where pages find style sheets and scripts."""

from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage


class CollectedOrSourceStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed, compressed files after ``collectstatic``; those of the source folders before it.

    WhiteNoise serves both. Without the second, no page of a fresh checkout could be shown.
    """

    manifest_strict = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._urls: dict[tuple[str, bool], str] = {}

    def url(self, name: str, force: bool = False) -> str:
        """As Django's, which takes every name apart anew, a dozen and a half for each page."""
        known = self._urls.get((name, force))
        if known is None:
            known = self._urls[name, force] = str(super().url(name, force))
        return known

    def stored_name(self, name: str) -> str:
        try:
            return str(super().stored_name(name))
        except ValueError:  # it is not in the folder of collected files
            return name
