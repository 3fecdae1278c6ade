"""Which pictures a search considers."""

from dataclasses import dataclass

import numpy as np

from mlcore.config import IdVector


@dataclass(frozen=True, slots=True)
class Audience:
    """Who looks: sees pictures that are public, and those of which they are the owner."""

    user: int | None = None
    """Id of a person; None is the public."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions on attributes; each that is given must hold."""

    collection: str = ""
    tags: tuple[str, ...] = ()
    """Every one must stand on the picture."""
    split: str = ""
    audience: Audience | None = None
    """None sees everything."""

    def __bool__(self) -> bool:
        return self != Conditions()


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """Conditions on attributes and lists of ids; a picture must pass them all.

    Conditions are made for large sets: the engine holds the attributes. Lists of ids travel with
    each search, so an engine on another machine takes about 10 microseconds for each of them.
    """

    conditions: Conditions = Conditions()
    allowed_ids: IdVector | None = None
    """int64, shape (a,), in any order: only these; an empty array allows nothing. None: all."""
    denied_ids: IdVector | None = None
    """int64, shape (d,), in any order: not these."""

    def allowed(self) -> IdVector | None:
        """Return the ids that both lists let through, ascending; None where all but
        :meth:`denied` may pass."""
        if self.allowed_ids is None:
            return None
        return np.setdiff1d(self.allowed_ids, self.denied())

    def denied(self) -> IdVector:
        """Return the ids that may not pass, ascending."""
        if self.denied_ids is None:
            return np.empty(0, dtype=np.int64)
        return np.unique(self.denied_ids)
