"""Loading an encoder of sentences: in torch, or compiled for this processor, which is done once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal, TypeAlias

from mlcore.config import FloatMatrix, RuntimeOptions
from mlcore.encoders.apart import compile_apart
from mlcore.encoders.openvino.compiled import CompiledNetwork, load_networks, openvino_version
from mlcore.encoders.openvino.encoder import TEXT
from mlcore.encoders.openvino.packing import pack
from mlcore.encoders.openvino.padding import pad
from mlcore.encoders.openvino.places import compiled_places, keep_in_a_place
from mlcore.encoders.runtime import Runtime, choose_library, choose_runtime, processor_precision
from mlcore.encoders.sentences.base import (
    Rows,
    SentenceAbout,
    SentenceEncoder,
    TokenizedEncoder,
)
from mlcore.encoders.sentences.folder import SentenceModel, find_sentence_model
from mlcore.encoders.sentences.original import OriginalSentences
from mlcore.encoders.shared import SharedModels
from mlcore.errors import CheckpointError, ModelUnavailableError

logger = logging.getLogger(__name__)

Floats: TypeAlias = Literal["float32", "bfloat16"]

_FIRST = -1
"""No token's id: :func:`pack` then reads a sentence at its first token."""

_TORCH_BATCH = 64
_COMPILED_BATCH = 32

_shared = SharedModels[SentenceEncoder](
    lambda reference, options: load_sentence_encoder(reference, options=options)
)


def load_sentence_encoder(
    reference: str | Path,
    *,
    options: RuntimeOptions = RuntimeOptions(),  # noqa: B008 - frozen
) -> SentenceEncoder:
    """Load the encoder of sentences that a reference names.

    Weights are read from safetensors only and no code of a folder is run.

    Args:
        reference: as for :func:`mlcore.encoders.sentences.folder.find_sentence_model`.
        options: where and how it runs; where they ask for int8, it computes in bfloat16 or float32
            all the same.

    Raises:
        ModelUnavailableError: there is no such model, it cannot be reached or followed, or it has
            no safetensors. No other model is ever taken in its place.
    """
    found = find_sentence_model(reference)
    precision = "auto" if options.precision == "int8" else options.precision
    if choose_library(options) == "openvino":
        return _compiled(found, processor_precision() if precision == "auto" else precision)
    original = OriginalSentences(found, choose_runtime(options.device, precision))
    return TokenizedEncoder(
        found.name,
        # In torch, batches are of about one length and filled up.
        replace(original.about(), packed=False),
        runtime=str(original.runtime),
        read=original.read,
        batch=_TORCH_BATCH,
    )


def shared_sentence_encoder(reference: str, *, options: RuntimeOptions) -> SentenceEncoder:
    """Load an encoder, or return the one that was loaded before; as
    :func:`load_sentence_encoder`."""
    return _shared.get(reference, options)


def forget_sentence_encoders() -> None:
    """Let go of every encoder, so that the next use loads it again."""
    _shared.keep(())


def compile_sentence_encoder(reference: str | Path) -> Path:
    """Compile a model of sentences for processors and keep it, so that nobody waits for it.

    One that is kept already, by this version of OpenVINO, is left as it is.

    Returns:
        The folder of the model, beside or in which it is kept.

    Raises:
        ModelUnavailableError: as :func:`load_sentence_encoder`; or OpenVINO is not installed.
        CheckpointError: it can be kept nowhere.
    """
    if openvino_version() is None:
        raise ModelUnavailableError("runtime.nothing_to_compile_for")
    found = find_sentence_model(reference)
    if _opened(found, found.fingerprint(), processor_precision()) is None:
        original = OriginalSentences(found, Runtime("cpu", "float32"))
        about = original.about()
        networks = {TEXT: original.network()}
        keep_in_a_place(found.directory, about.fingerprint, networks, asdict(about))
    return found.directory


def _compiled(found: SentenceModel, floats: Floats) -> SentenceEncoder:
    fingerprint = found.fingerprint()
    opened = _opened(found, fingerprint, floats)
    if opened is None:
        logger.info("Compiling %s for this processor; this is done once.", found.name)
        compile_apart(found.directory, "--sentences")
        opened = _opened(found, fingerprint, floats)
    if opened is None:
        raise CheckpointError("compiled.unreadable", name=found.name)
    return opened


def _opened(found: SentenceModel, fingerprint: str, floats: Floats) -> SentenceEncoder | None:
    """Open what is kept compiled, or return None where there is nothing usable."""
    for place in compiled_places(found.directory, fingerprint):
        loaded = load_networks(place, floats=floats)
        if loaded is None or loaded[1].get("fingerprint") != fingerprint:
            continue
        about = SentenceAbout(**loaded[1])
        read = _reader(loaded[0][TEXT], about)

        return TokenizedEncoder(
            found.name, about, runtime=f"OpenVINO {floats} on cpu", read=read, batch=_COMPILED_BATCH
        )
    return None


def _reader(network: CompiledNetwork, about: SentenceAbout) -> Callable[[Rows], FloatMatrix]:
    end = _FIRST if about.pooling == "cls" else None

    def read(rows: Rows) -> FloatMatrix:
        arrays = pack(rows, end).arrays() if about.packed else pad(rows)
        vectors: FloatMatrix = network(*arrays.values())[0]
        return vectors

    return read
