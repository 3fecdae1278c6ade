"""Networks compiled for this machine's processor by OpenVINO, and kept so that it is done once.

What is kept is a folder of OpenVINO's own files (most weights in float16) with their sums, made
from a torch module by tracing it. Loading one needs neither torch nor transformers, which saves
seconds and a quarter of a gigabyte in every process that only answers queries.
"""

from __future__ import annotations

import importlib
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import Empty, LifoQueue
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcore.encoders.checkpoints import file_sha256, published
from mlcore.encoders.openvino.quantisation import OPTIONS as EIGHT_BIT_OPTIONS
from mlcore.encoders.openvino.quantisation import in_eight_bits
from mlcore.encoders.runtime import multiplies_bytes, processor_precision
from mlcore.errors import CheckpointError

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

FORMAT = 6
"""Of the folder; one of another format is made again."""

ABOUT = "about.json"

LEAST_COSINE = 0.999
"""Of every vector that a network gives with 8-bit weights to the one that it gives in float32."""

_EIGHT_BITS = "{}-8bit"
"""Name of the file of a network with 8-bit weights."""


@dataclass(frozen=True, slots=True)
class Traceable:
    """A torch module to compile."""

    module: torch.nn.Module
    """Takes the inputs in their order and returns one float tensor or several."""
    inputs: Mapping[str, torch.Tensor]
    """An example of each input; every dimension named in ``dynamic`` may differ in use."""
    dynamic: Mapping[str, tuple[int, ...]]
    """For each input the numbers of the dimensions whose size varies."""
    probe: tuple[torch.Tensor, ...] | None = None
    """Inputs to try it on with 8-bit weights, which are used if they keep ``LEAST_COSINE``; without
    any, they are not tried."""
    exact: bool = False
    """Whether it is kept and computed in float32, whatever the others are computed in."""
    halved: bool = True
    """Whether the weights of what is not exact are kept in float16, which halves the files. To
    compute in bfloat16 they are then rounded a second time: a deep network may feel that."""


class CompiledNetwork:
    """One compiled network. Safe to call from threads."""

    def __init__(self, compiled: Any, *, in_eight_bits: bool = False) -> None:
        self.in_eight_bits = in_eight_bits
        self._compiled = compiled
        self._idle: LifoQueue[Any] = LifoQueue()

    def __call__(self, *inputs: NDArray[Any]) -> list[NDArray[np.float32]]:
        """Run it on arrays in the order of its inputs; return its outputs."""
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        try:
            request.infer(dict(enumerate(inputs)), share_inputs=True)
            # A copy: the request's own memory is written to by whoever uses it next.
            return [np.array(tensor.data, dtype=np.float32) for tensor in request.output_tensors]
        finally:
            self._idle.put(request)


def openvino_version() -> str | None:
    """The version of OpenVINO that is installed, or None."""
    try:
        return version("openvino")
    except PackageNotFoundError:
        return None


def load_networks(
    folder: Path, *, floats: str, eight_bits: bool = False
) -> tuple[dict[str, CompiledNetwork], Any] | None:
    """Open what :func:`keep_networks` wrote, or return None where there is nothing usable.

    Every byte is compared with its sum first: a damaged network would answer all the same.

    Args:
        folder: as given to :func:`keep_networks`.
        floats: ``bfloat16`` or ``float32``: what to compute in what is not exact.
        eight_bits: take 8-bit weights where they are kept.

    Returns:
        The networks by name, and what was said about them.
    """
    about = _verified(folder)
    if about is None:
        return None
    networks = {}
    for name in about["networks"]:
        smaller = eight_bits and name in about["eight_bits"]
        file = _EIGHT_BITS.format(name) if smaller else name
        networks[name] = _compile(
            folder / f"{file}.xml",
            "float32" if name in about["exact"] else floats,
            eight_bits=smaller,
        )
    return networks, about["about"]


def _verified(folder: Path) -> dict[str, Any] | None:
    """What the folder says of itself, if it is of this format and all its bytes are right."""
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            return None
        for name, digest in about["files"].items():
            if file_sha256(folder / name) != digest:
                logger.warning("%s in %s is damaged; it is made again.", name, folder)
                return None
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return about


def keep_networks(folder: Path, networks: Mapping[str, Traceable], about: Any) -> None:
    """Convert torch modules and write them to a new folder, whole or not at all.

    With 8-bit weights beside, where this processor is fastest with them and the vectors bear it.

    Where another process has written the folder meanwhile, that one stays.

    Args:
        folder: where to; an unusable one that is there is replaced.
        networks: by name.
        about: JSON values that whoever loads them needs to know.

    Raises:
        CheckpointError: it cannot be written.
    """
    try:
        with published(folder) as temporary:
            _write(temporary, networks, about)
            if _verified(folder) is None:  # or another process was sooner, and may be reading it
                shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        if _verified(folder) is None:
            raise CheckpointError(
                "compiled.unwritable", path=str(folder), reason=str(error.strerror or error)
            ) from error


def _write(folder: Path, networks: Mapping[str, Traceable], about: Any) -> None:
    openvino = importlib.import_module("openvino")
    eight_bits = []
    for name, network in networks.items():
        model = _convert(network)
        file = folder / f"{name}.xml"
        openvino.save_model(model, file, compress_to_fp16=network.halved and not network.exact)
        if network.probe is None or not multiplies_bytes():
            continue
        smaller = in_eight_bits(model)
        if _is_like(smaller, model, network.probe):
            eight_bits.append(name)
            file = folder / f"{_EIGHT_BITS.format(name)}.xml"
            # In float16 the scales, which may be very small, would lose what was just tried.
            openvino.save_model(smaller, file, compress_to_fp16=False)
    files = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
    (folder / ABOUT).write_text(
        json.dumps(
            {
                "format": FORMAT,
                "networks": list(networks),
                "exact": [name for name, network in networks.items() if network.exact],
                "eight_bits": eight_bits,
                "files": files,
                "about": about,
            }
        ),
        encoding="utf-8",
    )


def _convert(network: Traceable) -> Any:
    """Trace a module into OpenVINO's own graph."""
    import warnings

    import torch

    openvino = importlib.import_module("openvino")
    with warnings.catch_warnings(), torch.inference_mode():
        # Branches on sizes that the trace fixes; the examples are chosen so that they hold.
        warnings.simplefilter("ignore")
        model = openvino.convert_model(
            network.module.eval().float(), example_input=tuple(network.inputs.values())
        )
    for position, (name, example) in enumerate(network.inputs.items()):
        shape = list(example.shape)
        for dimension in network.dynamic[name]:
            shape[dimension] = -1
        model.input(position).get_node().set_partial_shape(openvino.PartialShape(shape))
        model.input(position).get_tensor().set_names({name})
    model.validate_nodes_and_infer_types()
    return model


def _is_like(smaller: Any, model: Any, probe: tuple[torch.Tensor, ...]) -> bool:
    """Tell whether a model with 8-bit weights gives the vectors of the one in float32."""
    inputs = [tensor.numpy() for tensor in probe]
    [exact] = _compile(model, "float32")(*inputs)
    [tried] = _compile(smaller, processor_precision(), eight_bits=True)(*inputs)
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(tried, axis=1)
    least = float(((exact * tried).sum(axis=1) / lengths).min())
    if not least >= LEAST_COSINE:  # nor where it is no number
        logger.info("8-bit weights would turn vectors to a cosine of %.4f; not used.", least)
        return False
    return True


def _compile(model: Any, floats: str, *, eight_bits: bool = False) -> CompiledNetwork:
    """Compile a model, or the one that a file holds."""
    openvino = importlib.import_module("openvino")
    options = {
        # One query at a time on all cores: a search waits for its answer. Measured for pictures
        # in batches of 16 too, this is as fast as the hint for throughput.
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": {"bfloat16": "bf16", "float32": "f32"}[floats],
    }
    if eight_bits:
        options |= EIGHT_BIT_OPTIONS
    compiled = openvino.Core().compile_model(model, "CPU", options)
    return CompiledNetwork(compiled, in_eight_bits=eight_bits)
