"""Packages that not every installation has."""

from importlib.util import find_spec

from mlcore.errors import TrainingError


def require(package: str) -> None:
    """Refuse a kind of training that needs a package of the ``train`` extra which is not there."""
    if find_spec(package) is None:
        raise TrainingError("training.package_missing", package=package)
