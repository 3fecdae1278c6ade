"""The families of models, and the model that a reference names.

A new family is a module with a :class:`~mlcore.encoders.base.ModelFamily` and a line here.
"""

from __future__ import annotations

from pathlib import Path

from mlcore.encoders.base import FoundModel, ModelFamily
from mlcore.encoders.checkpoints import CONFIG, is_checkpoint, read_json, verify_checkpoint
from mlcore.encoders.clip import CLIP
from mlcore.encoders.hub import HUB_NAME, folder_of, hub_snapshot
from mlcore.encoders.starter import STARTER_FAMILY
from mlcore.errors import CheckpointError, ModelUnavailableError

FAMILIES: dict[str, ModelFamily] = {family.name: family for family in (STARTER_FAMILY, CLIP)}
"""By name; the first that recognises a folder has it."""


def find_model(reference: str | Path) -> FoundModel:
    """Find the folder of a model, getting it from the hub where the name is one of the hub.

    Args:
        reference: a word for a model that is shipped, such as ``starter``; a folder written by
            :mod:`mlcore.encoders.checkpoints` or by transformers; or a name on the Hugging Face
            hub, with ``@revision`` after it where one is meant. The local cache of the hub is
            asked first and the network only for the rest.

    Raises:
        ModelUnavailableError: there is no such model, it cannot be reached or read, or it is of no
            family that is known. No other model is ever taken in its place.
        CheckpointError: a folder of :mod:`mlcore.encoders.checkpoints` is damaged.
    """
    name = str(reference)
    for family in FAMILIES.values():
        if name in family.shipped:
            return _in_folder(name, family.shipped[name])
    folder = folder_of(reference)
    if folder is not None:
        return _in_folder(name, folder)
    match = HUB_NAME.fullmatch(name)
    if (
        isinstance(reference, Path)
        or Path(name).expanduser().exists()
        or match is None
        or name.startswith(".")
    ):
        raise ModelUnavailableError("model.not_found", reference=name)
    snapshot = hub_snapshot(match["name"], match["revision"])
    return FoundModel(name, _recognised(name, snapshot), snapshot)


def model_fingerprint(found: FoundModel) -> str:
    """Return what :attr:`Encoder.fingerprint` will be, without loading the model.

    Raises:
        ModelUnavailableError: the folder does not hold a whole model.
        CheckpointError: the folder is damaged.
    """
    return found.family.fingerprint(found)


def _in_folder(name: str, folder: Path) -> FoundModel:
    """Look into a folder on this machine; a checkpoint is verified."""
    if not is_checkpoint(folder):
        return FoundModel(name, _recognised(name, folder), folder)
    checkpoint = verify_checkpoint(folder)
    family = FAMILIES.get(checkpoint.kind)
    if family is None:
        raise ModelUnavailableError(
            "model.unknown_kind", name=name, kind=checkpoint.kind, known=list(FAMILIES)
        )
    return FoundModel(name, family, folder, checkpoint)


def _recognised(name: str, folder: Path) -> ModelFamily:
    """Return the family of a folder that another program wrote."""
    for family in FAMILIES.values():
        if family.recognises(folder):
            return family
    if not (folder / CONFIG).is_file():
        raise ModelUnavailableError("model.no_config", name=name)
    try:
        kind = read_json(folder / CONFIG).get("model_type")
    except CheckpointError as error:
        raise ModelUnavailableError(
            "model.unreadable_config", name=name, reason=error.message
        ) from error
    raise ModelUnavailableError(
        "model.unknown_type", name=name, type=str(kind), known=list(FAMILIES)
    )
