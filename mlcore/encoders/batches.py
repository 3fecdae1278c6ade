"""Encoding in batches: of about one length each, each row of the result of length 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix
from mlcore.encoders.runtime import Runtime
from mlcore.errors import ModelUnavailableError

if TYPE_CHECKING:
    import torch
    from PIL import Image

T = TypeVar("T")

PADDING = 32
"""Tokens of padding that take about as long as starting another batch."""


class JointVectors(NamedTuple):
    """The vectors of texts in two spaces, made of one reading of them."""

    texts: FloatMatrix
    """In the space of pictures, float32 (n, dim) unit rows."""
    sentences: FloatMatrix
    """In the space of sentences, float32 (n, their own dim) unit rows."""

    @classmethod
    def of(cls, rows: FloatMatrix, dim: int) -> Self:
        """Take apart what stands in one row: ``dim`` numbers in the space of pictures, then those
        in the space of sentences.

        Raises:
            ModelUnavailableError: as :func:`unit_rows`.
        """
        return cls(unit_rows(rows[:, :dim].copy()), unit_rows(rows[:, dim:].copy()))


def by_length(
    rows: Sequence[list[int]],
    size: int,
    width: int,
    encode: Callable[[Sequence[list[int]]], torch.Tensor | FloatMatrix],
) -> FloatMatrix:
    """Encode tokenized texts in batches of about one length each, so that little is padding.

    Args:
        rows: token ids of each text.
        size: texts of a batch, at most.
        width: numbers of a vector.
        encode: takes the rows of a batch and returns a vector for each.

    Returns:
        The vectors in the order of ``rows``, each of length 1.

    Raises:
        ModelUnavailableError: the model gave numbers that are not finite, or no direction.
    """
    matrix = np.empty((len(rows), width), dtype=np.float32)
    lengths = [len(row) for row in rows]
    for places in _of_like_length(lengths, size):
        matrix[places] = _array(encode([rows[place] for place in places]))
    return unit_rows(matrix)


def _of_like_length(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield places of texts that go together: the next longer one begins a new batch where its
    length would bring more padding to the others than that costs."""
    batch: list[int] = []
    padding = 0
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch:
            padding += len(batch) * (lengths[place] - lengths[batch[-1]])
            if padding > PADDING or len(batch) == size:
                yield batch
                batch, padding = [], 0
        batch.append(place)
    if batch:
        yield batch


def in_batches(
    items: Sequence[T],
    size: int,
    width: int,
    encode: Callable[[Sequence[T]], torch.Tensor | FloatMatrix],
) -> FloatMatrix:
    """Encode ``items`` in batches of at most ``size`` and return unit rows of ``width`` numbers.

    Raises:
        ModelUnavailableError: the model gave numbers that are not finite, or no direction.
    """
    matrix = np.empty((len(items), width), dtype=np.float32)
    for start in range(0, len(items), size):
        matrix[start : start + size] = _array(encode(items[start : start + size]))
    return unit_rows(matrix)


def _array(features: torch.Tensor | FloatMatrix) -> FloatMatrix:
    if isinstance(features, np.ndarray):
        return features
    array: FloatMatrix = features.float().cpu().numpy()
    return array


def unit_rows(matrix: FloatMatrix) -> FloatMatrix:
    """Bring the rows of a float32 matrix to length 1, in place, and return it.

    Raises:
        ModelUnavailableError: a row is not finite, or has no direction.
    """
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    if not (np.isfinite(norms).all() and (norms > 0).all()):
        raise ModelUnavailableError("model.no_direction")
    matrix /= norms
    return matrix


def pixels(
    images: Sequence[Image.Image], mean: Sequence[float], std: Sequence[float], runtime: Runtime
) -> torch.Tensor:
    """Stack square RGB pictures of one size into a normalised (n, 3, side, side) tensor.

    Args:
        images: at least one.
        mean: per channel, on the scale 0 to 255.
        std: per channel, on the scale 0 to 255.
        runtime: where the tensor goes and in which precision; its memory is channels-last.
    """
    import torch

    stacked: NDArray[np.uint8] = np.stack([np.asarray(image) for image in images])
    tensor = torch.from_numpy(stacked).to(runtime.device).float()
    # The type by name: while another thread loads a model, the default is another one.
    shift, scale = (
        torch.tensor(values, dtype=torch.float32, device=runtime.device) for values in (mean, std)
    )
    tensor = (tensor - shift) / scale
    # (n, side, side, 3) seen as (n, 3, side, side) is channels-last as it stands.
    return tensor.permute(0, 3, 1, 2).to(runtime.dtype)
