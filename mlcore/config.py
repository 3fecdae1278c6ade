"""Names of shapes and the tunable values of the core, with their units and ranges."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

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
    max_pixels: int = 50_000_000
    """Width times height; a decoded pixel takes about 8 bytes of memory at the peak."""
    max_aspect: float = 20.0
    """Long side over short side; thinner pictures have no centre square worth encoding."""
    min_side: int = 16
    """Pixels on the short side."""


IndexKind: TypeAlias = Literal["auto", "flat", "ivf_sq8"]


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """How an index is built."""

    kind: IndexKind = "auto"
    """``flat`` is exact; ``ivf_sq8`` reads a part of the vectors, in 8 bits a number; ``auto``
    chooses by the number of vectors."""
    recall: float = 0.97
    """Share of the true ten best that an inexact index shall find, 0 to 1."""
