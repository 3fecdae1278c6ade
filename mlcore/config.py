"""Names of shapes and the tunable values of the core, with their units and ranges."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

FloatMatrix: TypeAlias = NDArray[np.float32]
"""float32, C-contiguous, shape (n, dim), every row of unit L2 norm."""

IdVector: TypeAlias = NDArray[np.int64]
"""int64, shape (n,): image record ids, in the order of a matrix's rows."""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What a picture may measure before it is decoded."""

    max_bytes: int = 20 * 1024 * 1024
    """Size of the file, in bytes."""
    max_pixels: int = 64_000_000
    """Width times height; a decoded pixel takes about 8 bytes of memory at the peak."""
    max_aspect: float = 20.0
    """Long side over short side; thinner pictures have no centre square worth encoding."""
    min_side: int = 16
    """Pixels on the short side."""
    accepts_tiff: bool = True
    """Whether a TIFF is opened, which holds anything in any way: not those of strangers."""


Precision: TypeAlias = Literal["auto", "float32", "bfloat16", "int8"]
"""``int8``: large matrices in 8-bit whole numbers, and the rest as ``auto`` would be without it."""

Library: TypeAlias = Literal["auto", "openvino", "torch"]
"""What runs a model: OpenVINO on processors, torch everywhere else."""


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """Where and how models run to encode; ``auto`` for what suits the machine best."""

    device: str = "auto"
    """``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``."""
    library: Library = "auto"
    """``auto``: OpenVINO on a processor, if it is installed, else torch."""
    precision: Precision = "auto"
    """``auto``: int8 where the processor is fastest in it and the model bears it, else bfloat16
    where the device computes in it, else float32."""


View: TypeAlias = Literal["centre", "mirror", "middle"]
"""A look at a picture: its centre square, that in a mirror, or the middle of that."""

Views: TypeAlias = tuple[View, ...]
"""What a picture's vector is made of, each once and in the order of :data:`VIEWS`."""

VIEWS: Views = get_args(View)
ONE_VIEW: Views = ("centre",)


IndexKind: TypeAlias = Literal["auto", "flat", "ivf_sq8"]


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """How an index is built."""

    kind: IndexKind = "auto"
    """``flat`` is exact; ``ivf_sq8`` reads a part of the vectors, in 8 bits a number; ``auto``
    chooses by the number of vectors."""
    recall: float = 0.97
    """Share of the true ten best that an inexact index shall find, 0 to 1."""
