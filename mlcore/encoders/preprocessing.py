"""How pictures become the numbers that a CLIP checkpoint was trained on, as its files say."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlcore.encoders.checkpoints import read_json
from mlcore.errors import ModelUnavailableError

# What transformers takes where a file leaves a key out: Radford et al. 2021.
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)
_SIZE = 224

_BICUBIC = 3
"""As Pillow numbers it."""

_PROCESSORS = ("CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPImageProcessorPil")
_FEATURE_EXTRACTORS = ("CLIPFeatureExtractor", *_PROCESSORS)

_SAME_SCALE = 1e-6
"""Rescale factors that differ by less are 1/255 written with fewer digits."""

_LONGEST_VALUE = 100
"""Characters of a value that a message repeats."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The centre square of a picture, bicubic, normalised by channel: all that is ever done.

    Rescaling and normalising are one step, since both are linear.
    """

    size: int
    """Pixels of the square's side."""
    mean: tuple[float, ...]
    """Per channel, for pixels from 0 to 1."""
    std: tuple[float, ...]
    """Per channel, for pixels from 0 to 1."""

    @property
    def byte_mean(self) -> list[float]:
        """Per channel, for pixels from 0 to 255."""
        return [255 * value for value in self.mean]

    @property
    def byte_std(self) -> list[float]:
        """Per channel, for pixels from 0 to 255."""
        return [255 * value for value in self.std]

    def about(self) -> dict[str, Any]:
        """Return what fingerprints are made over; another form would make all models new."""
        return {
            "crop": "centre square, then bicubic",
            "size": self.size,
            "mean": list(self.mean),
            "std": list(self.std),
        }


def clip_preprocessing(directory: Path, image_size: int, *, name: str) -> Preprocessing:
    """Read how the pictures of a checkpoint are prepared.

    Keys that the image processor of CLIP does not know are passed over, and null is no and not
    what is usual, both as transformers does.
    ``do_convert_rgb`` changes nothing either, because pictures are always RGB here.

    Args:
        directory: of the checkpoint.
        image_size: pixels of the side that its vision tower takes.
        name: of the model, for messages.

    Raises:
        ModelUnavailableError: the files ask for what is not done here.
        CheckpointError: a file is no JSON.
    """
    file, stored = _stored(directory)
    _check_geometry(stored, image_size, name, file)

    def numbers(key: str, default: Any, count: int, *, positive: bool) -> list[float]:
        value = stored.get(key, default)
        values = list(value) if isinstance(value, list | tuple) else [value] * count
        if len(values) != count or not all(_is_number(one, positive=positive) for one in values):
            raise ModelUnavailableError(
                "clip.no_normalisation", name=name, file=file, setting=_setting(key, value)
            )
        return values

    mean, std = [0.0] * 3, [1.0] * 3
    if stored.get("do_normalize", True):
        mean = numbers("image_mean", _MEAN, 3, positive=False)
        std = numbers("image_std", _STD, 3, positive=True)
    factor = 1.0
    if stored.get("do_rescale", True):
        (factor,) = numbers("rescale_factor", 1 / 255, 1, positive=True)
    scale = 255 * factor
    if not math.isclose(scale, 1, rel_tol=_SAME_SCALE):
        mean, std = ([value / scale for value in values] for values in (mean, std))
    return Preprocessing(image_size, tuple(mean), tuple(std))


def _stored(directory: Path) -> tuple[str, dict[str, Any]]:
    """Return the file that decides, in transformers too, and what it says of pictures."""
    processor = directory / "processor_config.json"
    if processor.is_file():
        # Files of before transformers 5 lack this part.
        part = read_json(processor).get("image_processor")
        if isinstance(part, dict):
            return processor.name, part
    path = directory / "preprocessor_config.json"
    return path.name, read_json(path) if path.is_file() else {}


def _check_geometry(stored: dict[str, Any], side: int, name: str, file: str) -> None:
    """Refuse whatever does not come to the centre square of ``side`` pixels, bicubic.

    Pictures are cut to it where they are decoded, long before a model is asked, and are kept so.
    """
    # Of a folder without the file, the model's own size is all that is known.
    default = _SIZE if stored else side
    square = {"height": side, "width": side}
    no = (False, None)
    kinds = ("image_processor_type", "feature_extractor_type")
    kind = next((key for key in kinds if stored.get(key)), "")
    known: dict[str, tuple[Any, tuple[Any, ...]]] = {
        kind: (_PROCESSORS[0], _FEATURE_EXTRACTORS),
        "do_resize": (True, (True,)),
        "size": (default, ({"shortest_edge": side}, side)),
        "resample": (_BICUBIC, (_BICUBIC,)),
        "do_center_crop": (True, (True,)),
        "crop_size": (default, (square, side, [side, side])),
        "do_pad": (False, no),
        "default_to_square": (False, no),
        "use_square_size": (False, no),
    }
    for key, (usual, accepted) in known.items():
        value = stored.get(key, usual)
        if isinstance(value, dict):
            value = {part: one for part, one in value.items() if one is not None}
        if value not in accepted:
            raise ModelUnavailableError(
                "clip.other_preprocessing",
                name=name,
                file=file,
                setting=_setting(key, value),
                accepted=_setting(key, accepted[0]),
            )


def _is_number(value: object, *, positive: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and (value > 0 or not positive)


def _setting(key: str, value: object) -> str:
    text = json.dumps(value)
    return f"{key} = {text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + '…'}"
