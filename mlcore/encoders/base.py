"""What all models share: the encoder that others use, and what a family of models brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from mlcore.config import FloatMatrix, RuntimeOptions
from mlcore.encoders.batches import JointVectors
from mlcore.encoders.checkpoints import CONFIG, Checkpoint, read_json
from mlcore.encoders.openvino.encoder import Original
from mlcore.errors import CheckpointError

if TYPE_CHECKING:
    from PIL import Image


class Encoder(Protocol):
    """A model that puts pictures and words into one vector space. Safe to call from threads."""

    @property
    def name(self) -> str:
        """The reference it was loaded from."""

    @property
    def dim(self) -> int:
        """Width of a vector."""

    @property
    def image_size(self) -> int:
        """Pixels on each side of the square that the model looks at."""

    @property
    def fingerprint(self) -> str:
        """sha256 of weights, configuration and preprocessing, whatever the device or precision.

        Vectors may be compared only when the fingerprints of their encoders are equal.
        """

    @property
    def image_fingerprint(self) -> str:
        """sha256 of all that decides a picture's vector; training on words alone keeps it.

        Stored vectors of pictures are valid for every encoder with the same one.
        """

    @property
    def languages(self) -> Sequence[str]:
        """ISO 639-1 codes of the languages it was taught to read; empty where not known."""

    @property
    def runtime(self) -> str:
        """Library, precision and device, for people: ``torch bfloat16 on cpu``."""

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        """Return float32 (n, dim) unit rows in the order of ``texts``; (0, dim) for none.

        Text longer than the model takes is cut at its end; see :meth:`is_truncated`.

        Raises:
            ModelUnavailableError: the model gave numbers that are not finite.
        """

    def encode_images(self, images: Sequence[Image.Image]) -> FloatMatrix:
        """Return float32 (n, dim) unit rows in the order of ``images``; (0, dim) for none.

        Args:
            images: upright 8-bit RGB of any size; only the centre square is looked at.

        Raises:
            ModelUnavailableError: the model gave numbers that are not finite.
        """

    def is_truncated(self, text: str) -> bool:
        """Tell whether the end of ``text`` is cut off when it is encoded."""

    def unknown_share(self, text: str) -> float:
        """Return the share of the text's tokens that the model does not know, 0 to 1.

        Characters outside of its vocabulary are such tokens: all texts of them look alike to it.
        """


@runtime_checkable
class SharedTextTower(Protocol):
    """What an encoder brings beside, whose text tower is that of an encoder of sentences: it reads
    a text once where both vectors are wanted, which is half of the work."""

    @property
    def sentence_fingerprint(self) -> str:
        """Fingerprint of the :class:`~mlcore.encoders.sentences.SentenceEncoder` whose vectors of
        what is asked it makes; empty where it makes none."""

    def encode_jointly(self, texts: Sequence[str]) -> JointVectors:
        """Return the vectors of texts, by this encoder and by the one of sentences.

        Raises:
            ModelUnavailableError: the model gave numbers that are not finite.
        """


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """One kind of models: how they are recognised, loaded, compiled, told apart and trained.

    Its functions import what is heavy (torch, transformers) when they are called.
    """

    name: str
    """What its checkpoints call themselves in their manifests."""
    label: str
    """What people call it."""
    load: Callable[[FoundModel, RuntimeOptions], Encoder]
    """Loads a model to encode in torch, or in whatever the family computes with."""
    fingerprint: Callable[[FoundModel], str]
    """Says what :attr:`Encoder.fingerprint` will be, without loading the model."""
    languages: Sequence[str] = ()
    """Languages that its models read, as ISO 639-1 codes; empty where each has its own."""
    recognises: Callable[[Path], bool] = lambda folder: False
    """Whether a folder that another program wrote holds one; see :func:`by_model_type`."""
    shipped: Mapping[str, Path] = field(default_factory=dict)
    """Folders of models that come with this program, by the reference that names them."""
    former: Sequence[Path] = ()
    """Folders of those that earlier releases shipped, for sites that still search with them."""
    original: Callable[[FoundModel], Original] | None = None
    """Loads a model to be compiled for processors, in float32; None where that is not possible."""
    trainable: str = ""
    """The class that trains one, as ``module:name``: it must be a
    :class:`mlcore.training.trainable.Trainable`. Empty where none can be trained."""
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By what is trained (:data:`mlcore.training.config.Tune`): the fields of the recommended
    recipe that differ from their defaults."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """Where the model that a reference names lies on this machine."""

    name: str
    """The reference."""
    family: ModelFamily
    directory: Path
    checkpoint: Checkpoint | None = None
    """What was verified of the folder; None where another program wrote it."""


def by_model_type(name: str) -> Callable[[Path], bool]:
    """Recognise folders whose ``config.json`` has this ``model_type``, as transformers writes."""

    def recognises(folder: Path) -> bool:
        try:
            return read_json(folder / CONFIG).get("model_type") == name
        except CheckpointError:
            return False

    return recognises
