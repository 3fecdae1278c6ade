"""An encoder made of compiled networks: the vectors of its torch original, several times faster.

It needs OpenVINO and a tokenizer and neither torch nor transformers, so a process that only answers
queries starts sooner and is a quarter of a gigabyte smaller.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix
from mlcore.encoders.batches import JointVectors, by_length, in_batches
from mlcore.encoders.openvino.compiled import (
    CompiledNetwork,
    Traceable,
    load_networks,
)
from mlcore.encoders.openvino.packing import pack
from mlcore.encoders.openvino.padding import pad
from mlcore.encoders.openvino.places import compiled_places, keep_in_a_place
from mlcore.encoders.runtime import processor_precision
from mlcore.encoders.tokens import unknown_share, unknown_token
from mlcore.imaging.decode import square

if TYPE_CHECKING:
    from PIL import Image

IMAGE = "image"
"""Name of the network that makes vectors of uint8 (n, side, side, 3), upright RGB."""
IMAGE_STEM = "image_stem"
"""Name of the network, if there is one, that takes the pictures in its place; ``image`` then takes
what it gives."""
IMAGE_HEAD = "image_head"
"""Name of the network, if there is one, that takes all that ``image`` gives and makes vectors of
it."""
TEXT = "text"
"""Name of the network that makes vectors of :class:`.packing.PackedTexts` or, if the tower cannot
take those, of what :func:`.padding.pad` returns; where it shares its tower with an encoder of
sentences, the vectors of that one too."""

TEXT_BATCH = 32

CompiledPrecision: TypeAlias = Literal["float32", "bfloat16", "int8"]
"""What networks compute in; for ``int8`` see :mod:`mlcore.encoders.openvino.quantisation`."""


@dataclass(frozen=True, slots=True)
class About:
    """What an encoder is besides its networks."""

    dim: int
    image_size: int
    max_tokens: int
    end: int | None
    """Token id at whose first place a sentence is read; None where it is the mean of its tokens."""
    fingerprint: str
    image_fingerprint: str
    tokenizer: str
    """As the tokenizers library serialises it."""
    image_batch: int
    """Pictures to encode at once: how many are fastest."""
    packed_texts: bool
    """Whether the text network takes several sentences in a row, which saves it the padding."""
    sentence_fingerprint: str = ""
    """As :attr:`mlcore.encoders.base.SharedTextTower.sentence_fingerprint`."""
    sentence_dim: int = 0
    """Width of the vectors of sentences that the text network makes too."""


class Original(Protocol):
    """An encoder of torch that can be compiled."""

    @property
    def name(self) -> str: ...

    def about(self) -> About:
        """Say what the compiled encoder needs to know."""

    def networks(self) -> Mapping[str, Traceable]:
        """Return its networks under the names above, in float32."""


class CompiledEncoder:
    """Implements :class:`mlcore.encoders.base.Encoder` and ``SharedTextTower``."""

    def __init__(
        self,
        name: str,
        about: About,
        networks: Mapping[str, CompiledNetwork],
        numbers: str,
        languages: Sequence[str] = (),
    ) -> None:
        from tokenizers import Tokenizer

        self.name = name
        self.dim = about.dim
        self.image_size = about.image_size
        self.fingerprint = about.fingerprint
        self.image_fingerprint = about.image_fingerprint
        self.sentence_fingerprint = about.sentence_fingerprint
        self.languages = tuple(languages)
        self.runtime = f"OpenVINO {numbers} on cpu"
        self._image_batch = about.image_batch
        self._max_tokens = about.max_tokens
        self._end = about.end
        self._packed_texts = about.packed_texts
        self._sentence_dim = about.sentence_dim
        self._networks = networks
        self._stem = networks.get(IMAGE_STEM)
        self._image_networks = [networks[name] for name in (IMAGE, IMAGE_HEAD) if name in networks]
        self._tokenizer = Tokenizer.from_str(about.tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._unknown = unknown_token(self._tokenizer)
        self._tokenizer_lock = threading.Lock()

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        return self._read(texts, self.dim, outputs=1)

    def encode_jointly(self, texts: Sequence[str]) -> JointVectors:
        rows = self._read(texts, self.dim + self._sentence_dim, outputs=2)
        return JointVectors.of(rows, self.dim)

    def encode_images(self, images: Sequence[Image.Image]) -> FloatMatrix:
        return in_batches(images, self._image_batch, self.dim, self._image_vectors)

    def is_truncated(self, text: str) -> bool:
        with self._tokenizer_lock:
            return len(self._tokenizer.encode(text).ids) > self._max_tokens

    def unknown_share(self, text: str) -> float:
        with self._tokenizer_lock:
            return unknown_share(self._tokenizer, self._unknown, text)

    def _read(self, texts: Sequence[str], width: int, *, outputs: int) -> FloatMatrix:
        """Return the first outputs of the text network side by side, in all ``width`` numbers."""

        def read(inputs: Mapping[str, NDArray[Any]]) -> FloatMatrix:
            vectors = self._networks[TEXT](*inputs.values())[:outputs]
            return vectors[0] if outputs == 1 else np.concatenate(vectors, axis=1)

        rows = self._tokenize(texts)
        if self._packed_texts:
            return in_batches(
                rows, TEXT_BATCH, width, lambda batch: read(pack(batch, self._end).arrays())
            )
        return by_length(rows, TEXT_BATCH, width, lambda batch: read(pad(batch)))

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        with self._tokenizer_lock:
            rows = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        return [self._cut(row) for row in rows]

    def _cut(self, row: list[int]) -> list[int]:
        """Keep the end token, at which CLIP reads a sentence."""
        return row if len(row) <= self._max_tokens else [*row[: self._max_tokens - 1], row[-1]]

    def _image_vectors(self, images: Sequence[Image.Image]) -> FloatMatrix:
        squares = [np.asarray(square(image, self.image_size))[np.newaxis] for image in images]
        if self._stem is not None:
            # One by one: its grids are the largest, and those of several leave the processor's
            # cache. The starter takes 1.6 ms a picture like this, and 2.5 in fours.
            squares = [self._stem(each)[0] for each in squares]
        passed: list[Any] = [np.concatenate(squares)]
        for network in self._image_networks:
            passed = network(*passed)
        vectors: FloatMatrix = passed[0]
        return vectors


def open_compiled(
    name: str,
    folder: Path,
    fingerprint: str,
    precision: CompiledPrecision,
    languages: Sequence[str] = (),
) -> CompiledEncoder | None:
    """Open what :func:`keep_compiled` wrote, or return None where there is nothing usable.

    Args:
        name: what the encoder is called.
        folder: of the checkpoint.
        fingerprint: of the model.
        precision: what to compute in; what bears no int8, or was compiled on a processor without
            it, is computed in bfloat16 or float32 all the same.
        languages: as :attr:`mlcore.encoders.base.Encoder.languages`.
    """
    for place in compiled_places(folder, fingerprint):
        found = _opened(name, place, fingerprint, precision, languages)
        if found is not None:
            return found
    return None


def keep_compiled(folder: Path, original: Original) -> None:
    """Compile a model's networks and keep them.

    They are kept beside the checkpoint, or where that cannot be written to, in the user's cache.

    Args:
        folder: of the checkpoint.
        original: the model in torch, in float32 on the CPU.

    Raises:
        CheckpointError: they can be kept nowhere.
    """
    about = original.about()
    keep_in_a_place(folder, about.fingerprint, original.networks(), asdict(about))


def _opened(
    name: str,
    place: Path,
    fingerprint: str,
    precision: CompiledPrecision,
    languages: Sequence[str],
) -> CompiledEncoder | None:
    floats = processor_precision() if precision == "int8" else precision
    loaded = load_networks(place, floats=floats, eight_bits=precision == "int8")
    if loaded is None:
        return None
    networks, about = loaded
    if about["fingerprint"] != fingerprint:
        return None
    in_eight_bits = any(network.in_eight_bits for network in networks.values())
    numbers = f"int8 and {floats}" if in_eight_bits else floats
    return CompiledEncoder(name, About(**about), networks, numbers, languages)
