"""Where pages find style sheets and scripts."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class CollectedOrSourceStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed, compressed files after ``collectstatic``; those of the source folders before it.

    WhiteNoise serves both. Without the second, no page of a fresh checkout could be shown.
    """

    manifest_strict = False

    def stored_name(self, name: str) -> str:
        try:
            return str(super().stored_name(name))
        except ValueError:  # it is not in the folder of collected files
            return name
