"""What the search, the jobs and the commands need of the place where an index version is kept."""

from collections.abc import Callable
from typing import Protocol, Self

from gallery.models import IndexVersion, ModelVersion
from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.index import Hit
from mlcore.progress import Progress
from mlcore.vectorstore import Differences

LikelyQueries = Callable[[], FloatMatrix | None]
"""Makes vectors like those that will be asked, on which an index that is not exact is tuned."""


class Lookup(Protocol):
    """One index version, opened to search in. Never changes: news make another one."""

    @property
    def warning(self) -> str:
        """What is not as it should be although searches are answered; empty when all is well."""

    @property
    def most_hits(self) -> int | None:
        """The most hits that one search can give; None where there is no such limit."""

    def search(
        self, query: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> list[Hit]:
        """Return at most ``k`` hits for a query of shape (1, dim), best first.

        Raises VectorStoreError where the place cannot answer; never an empty result instead.
        """

    @property
    def fingerprint(self) -> str:
        """Of the model whose vectors are searched."""

    @property
    def is_exact(self) -> bool:
        """Whether a search misses none of the best."""

    def candidates(
        self, query: FloatMatrix, count: int, *, allowed_ids: IdVector | None = None
    ) -> list[int]:
        """Return at least the ids of the ``count`` nearest pictures, more surely than a search
        would and at more cost; in no order."""

    def sample(self) -> FloatMatrix:
        """Return some of the stored vectors, always about the same, float32 of shape (n, dim)."""

    def refreshed(self) -> Self:
        """Return one that also knows the pictures embedded since this one looked."""

    def check(self) -> None:
        """Raise VectorStoreError where a search would fail now."""


class IndexStore(Protocol):
    """A place where index versions are kept.

    Every method may raise VectorStoreError where the place cannot be reached or refuses.
    """

    def build(
        self,
        model: ModelVersion,
        spec: IndexSpec,
        progress: Progress,
        likely_queries: LikelyQueries,
    ) -> IndexVersion:
        """Make a version of all stored vectors of a model, and its row; it is not live yet.

        Raises:
            IndexFileError: it cannot be written.
        """

    def open(self, index: IndexVersion) -> Lookup:
        """Open a version to search in.

        Raises:
            IndexFileError, IndexMismatchError: it cannot serve.
        """

    def check(self, index: IndexVersion, *, thoroughly: bool = False) -> None:
        """Make sure that a version could be searched; ``thoroughly`` reads every byte of files.

        Raises:
            IndexFileError, IndexMismatchError: it cannot serve.
        """

    def follow(self, index: IndexVersion) -> None:
        """Take in the pictures that were embedded since the version was built."""

    def forget(self, index: IndexVersion, ids: IdVector) -> None:
        """Take pictures out that were deleted."""

    def went_live(self, index: IndexVersion) -> None:
        """Note that a version is the live one now; the database said so already."""

    def remove(self, index: IndexVersion) -> None:
        """Remove what is kept of a version whose row is gone."""

    def differences(self, index: IndexVersion, *, mend: bool) -> Differences | None:
        """Compare a version with the embedding rows, and mend it if asked; None where it never
        changes once it is written."""
