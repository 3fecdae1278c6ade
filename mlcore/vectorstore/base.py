"""What a vector store does, whatever engine stands behind it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mlcore.config import FloatMatrix, IdVector
from mlcore.errors import IndexMismatchError
from mlcore.index import Hit
from mlcore.vectorstore.filters import Filter

ACTIVE = "active"
"""Stands for the version that is live, wherever one is read."""

NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
"""What a version may be called; Milvus knows no other signs in names."""
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a search can be narrowed by. One who says nothing shows the picture to nobody else:
    by default it is found only by those who may see everything."""

    collection: str = ""
    tags: tuple[str, ...] = ()
    """Kept sorted, each once."""
    split: str = ""
    public: bool = False
    owner: int | None = None
    """Id of the person who sees the picture even where it is not public."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", tuple(sorted(set(self.tags))))


class Record(NamedTuple):
    """All that a store keeps of one picture."""

    image_id: int
    vector: NDArray[np.float32]
    """float32, shape (dim,), unit norm."""
    attributes: Attributes = Attributes()


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One set of vectors, all made by one model."""

    name: str
    dim: int
    fingerprint: str
    """Of the model that made the vectors."""
    active: bool


class VectorBackend(Protocol):
    """Versions of a set of vectors, one of which is active.

    A version is filled beside the active one and then made active in one step; the former one
    stays for a rollback until it is dropped. What is written is seen by the writer's next call;
    how soon others see it is for each implementation to say.

    Every method may raise VectorStoreUnavailableError when the engine cannot be reached or is
    busy, and VectorStoreError with the engine's own words when it refuses. Nothing is ever
    answered by an empty result instead. Methods that name a version raise UnknownVersionError when
    it does not exist. Reading methods take :data:`ACTIVE` in place of a name.
    """

    def create_version(self, name: str, *, dim: int, fingerprint: str) -> None:
        """Make an empty version; one that is there already, for the same model, is left alone.

        Args:
            name: lower-case letters and digits in groups joined by single ``_``, up to 64 signs.
            dim: width of its vectors.
            fingerprint: of the model that makes them.

        Raises:
            ValueError: the name cannot be used.
            IndexMismatchError: a version of this name holds vectors of another model or width.
        """

    def upsert(
        self,
        version: str,
        ids: IdVector,
        vectors: FloatMatrix,
        attributes: Sequence[Attributes] | None = None,
        *,
        fingerprint: str,
    ) -> None:
        """Put pictures in, in place of what the store holds of them.

        When it raises, a part may have been written; writing all again is safe.

        Args:
            version: its name.
            ids: int64, shape (n,), unique and non-negative.
            vectors: float32, shape (n, dim), rows of unit norm within 1e-3.
            attributes: one for each id; by default each is ``Attributes()``.
            fingerprint: of the model that made the vectors.

        Raises:
            IndexMismatchError: another model or width, or what cannot be indexed, as
                :meth:`mlcore.index.VectorIndex.build` tells.
        """

    def delete(self, version: str, ids: IdVector) -> None:
        """Take pictures out; ids (int64, shape (n,)) that are not there are ignored."""

    def search(
        self,
        version: str,
        queries: FloatMatrix,
        k: int,
        *,
        fingerprint: str,
        where: Filter | None = None,
    ) -> list[list[Hit]]:
        """Find the ``k`` pictures with the highest cosine to each query.

        Args:
            version: its name, or :data:`ACTIVE`.
            queries: float32, shape (m, dim), rows of unit norm within 1e-3.
            k: at least 1. Fewer hits come back when fewer pictures qualify.
            fingerprint: of the model that made the queries. The active version may change at any
                moment; this is what keeps queries of one model out of vectors of another.
            where: only these pictures are considered; None considers all.

        Returns:
            One list per query, by score descending, then by id ascending.

        Raises:
            IndexMismatchError: another model or width.
            InvalidQueryError: a query is not a finite unit vector.
        """

    def count(self, version: str) -> int:
        """Count the pictures in a version."""

    def ids(self, version: str) -> Iterator[IdVector]:
        """Yield the ids in a version, ascending, in pieces of at most some thousands."""

    def records(self, version: str) -> Iterator[Record]:
        """Yield everything in a version by ascending id, holding some thousands at a time.

        What is written meanwhile may be seen or not.
        """

    def rounding(self, version: str) -> float:
        """Tell how far (L2) a stored vector may be from the one that was given; 0 if nowhere."""

    def activate(self, version: str) -> None:
        """Make a version the active one, in one step: forward or, as a rollback, back."""

    def active(self) -> VersionInfo | None:
        """Return the active version, or nothing where none was made active."""

    def info(self, version: str) -> VersionInfo:
        """Return what a version was made for."""

    def drop(self, version: str) -> None:
        """Remove a version and all its vectors.

        Raises VectorStoreError when it is the active one.
        """

    def versions(self) -> list[VersionInfo]:
        """Return all versions by name."""


def check_name(name: str) -> None:
    """Refuse a name that some engine could not use (ValueError)."""
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME or name == ACTIVE:
        raise ValueError(
            f"{name!r} cannot be the name of a version: use up to {LONGEST_NAME} lower-case "
            f"letters and digits, in groups joined by '_', and not {ACTIVE!r}."
        )


def check_same_version(found: VersionInfo, *, dim: int, fingerprint: str) -> None:
    """Refuse to make a version whose name stands for something else (IndexMismatchError)."""
    if (found.dim, found.fingerprint) != (dim, fingerprint):
        raise IndexMismatchError(
            f"There is a version {found.name!r} already, of {found.dim} wide vectors by the model "
            f"{found.fingerprint}; it cannot also hold {dim} wide ones by {fingerprint}. Choose "
            "another name, or drop it first."
        )


def check_fingerprint(version: VersionInfo, fingerprint: str, what: str) -> None:
    """Refuse vectors of another model (IndexMismatchError)."""
    if version.fingerprint != fingerprint:
        raise IndexMismatchError(
            f"{what} were made by the model {fingerprint}, but the version {version.name!r} holds "
            f"vectors of the model {version.fingerprint}. Use that model, or a version made with "
            "yours."
        )


def attributes_for(ids: IdVector, given: Sequence[Attributes] | None) -> Sequence[Attributes]:
    """Return one set of attributes for each id (ValueError when there are more or fewer)."""
    if given is None:
        return [Attributes()] * len(ids)
    if len(given) != len(ids):
        raise ValueError(f"There are {len(given)} attributes for {len(ids)} ids.")
    return given
