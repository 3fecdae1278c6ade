"""Loading a model to encode with: in torch, or compiled for this processor, which is done once."""

from __future__ import annotations

import logging
from pathlib import Path

from mlcore.config import Precision, RuntimeOptions
from mlcore.encoders.apart import compile_apart
from mlcore.encoders.base import Encoder, FoundModel
from mlcore.encoders.openvino.compiled import openvino_version
from mlcore.encoders.openvino.encoder import (
    CompiledEncoder,
    CompiledPrecision,
    keep_compiled,
    open_compiled,
)
from mlcore.encoders.registry import find_model, model_fingerprint
from mlcore.encoders.runtime import choose_library, multiplies_bytes, processor_precision
from mlcore.errors import CheckpointError, ModelUnavailableError

logger = logging.getLogger(__name__)


def load_encoder(
    reference: str | Path,
    *,
    options: RuntimeOptions = RuntimeOptions(),  # noqa: B008 - frozen
) -> Encoder:
    """Load the encoder that a reference names.

    Weights are read from safetensors only and no code of a checkpoint is run.

    Args:
        reference: as for :func:`mlcore.encoders.registry.find_model`.
        options: where and how it runs.

    Raises:
        ModelUnavailableError: there is no such model, it cannot be reached, it is of no family
            that is known, or it has no safetensors. No other model is ever taken in its place.
        CheckpointError: a folder of :mod:`mlcore.encoders.checkpoints` is damaged.
    """
    found = find_model(reference)
    if found.family.original is None:
        if options.library == "openvino":
            raise ModelUnavailableError("model.not_compilable", name=found.name)
        return found.family.load(found, options)
    if choose_library(options) == "openvino":
        return _compiled(found, options.precision)
    return found.family.load(found, options)


def compile_model(reference: str | Path) -> Path:
    """Compile a model for processors and keep it, so that the first who loads it need not wait.

    One that is kept already, by this version of OpenVINO, is left as it is.

    Args:
        reference: as for :func:`load_encoder`.

    Returns:
        The folder of its checkpoint, beside or in which it is kept.

    Raises:
        ModelUnavailableError: as :func:`load_encoder`; or OpenVINO is not installed.
        CheckpointError: as :func:`load_encoder`; or it can be kept nowhere.
    """
    if openvino_version() is None:
        raise ModelUnavailableError("runtime.nothing_to_compile_for")
    found = find_model(reference)
    if found.family.original is None:
        raise ModelUnavailableError("model.not_compilable", name=found.name)
    known = found.name, found.directory, model_fingerprint(found), _on_this_processor("auto")
    if open_compiled(*known) is None:
        keep_compiled(found.directory, found.family.original(found))
    return found.directory


def _compiled(found: FoundModel, precision: Precision) -> CompiledEncoder:
    place = (
        found.directory,
        model_fingerprint(found),
        _on_this_processor(precision),
        found.family.languages,
    )
    opened = open_compiled(found.name, *place)
    if opened is None:
        logger.info("Compiling %s for this processor; this is done once.", found.name)
        compile_apart(found.directory)
        opened = open_compiled(found.name, *place)
    if opened is None:
        raise CheckpointError("compiled.unreadable", name=found.name)
    return opened


def _on_this_processor(precision: Precision) -> CompiledPrecision:
    if precision == "auto":
        return "int8" if multiplies_bytes() else processor_precision()
    if precision == "int8" and not multiplies_bytes():
        raise ModelUnavailableError("runtime.no_int8")
    return precision
