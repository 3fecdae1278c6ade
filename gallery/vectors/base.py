"""What the search, the jobs and the commands need of the place where an index version is kept."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
from django.core.checks import CheckMessage
from numpy.typing import NDArray

from gallery.models import IndexVersion, ModelVersion, SentenceModel
from gallery.vectors.sentences import CaptionLookup
from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.i18n import Message
from mlcore.index import Hit
from mlcore.progress import Progress

LikelyQueries = Callable[[], FloatMatrix | None]
"""Makes vectors like those that will be asked, on which an index that is not exact is tuned."""

Record = tuple[int, NDArray[np.float32]]
"""Id of a picture and its vector, float32 of shape (dim,), unit norm."""


class Lookup(Protocol):
    """One index version, opened to search in. Never changes: news make another one."""

    @property
    def warning(self) -> Message | None:
        """What is not as it should be although searches are answered."""

    @property
    def most_hits(self) -> int | None:
        """The most hits that one search can give; None where there is no such limit."""

    @property
    def fingerprint(self) -> str:
        """Of the model whose vectors are searched."""

    @property
    def is_exact(self) -> bool:
        """Whether a search misses none of the best."""

    def search(
        self, query: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> list[Hit]:
        """Find the ``k`` pictures with the highest cosine to a query.

        Args:
            query: float32 of shape (1, dim), of unit norm within 1e-3.
            k: at least 1. Fewer hits come back when fewer pictures qualify.
            allowed_ids: int64, in any order: only these pictures are considered. None considers
                all, an empty array none.

        Returns:
            Hits by score descending, then by id ascending.

        Raises:
            IndexMismatchError: the query has another width.
            InvalidQueryError: the query is not a finite unit vector.
            VectorStoreError: the place cannot answer; never an empty result instead.
        """

    def candidates(
        self, query: FloatMatrix, count: int, *, allowed_ids: IdVector | None = None
    ) -> list[int]:
        """Return at least the ids of the ``count`` nearest pictures, more surely than a search
        would and at more cost; in no order."""

    @property
    def captions(self) -> CaptionLookup:
        """What people wrote of the pictures of this version."""

    def scores_of(self, query: FloatMatrix, image_ids: IdVector) -> NDArray[np.float32]:
        """Return the cosines of a query to pictures, int64 of shape (n,); NaN where there is no
        vector. Query and errors as :meth:`search`."""

    def sample(self) -> FloatMatrix:
        """Return some of the stored vectors, always about the same, float32 of shape (n, dim)."""

    def refreshed(self) -> Self:
        """Return one that also knows the pictures embedded, and the sentences read, since this one
        looked."""

    def check(self) -> None:
        """Raise VectorStoreError where a search would fail now."""


class IndexStore(Protocol):
    """A place where index versions are kept.

    It is made with an address of the form that its entry in the registry names; no server is
    called yet. Every method may raise VectorStoreUnavailableError where the place cannot be
    reached or is busy, and VectorStoreError where it refuses.
    """

    scheme: ClassVar[str]
    """Its name in the registry, kept with each of its versions (``IndexVersion.store``)."""

    follows_rows: ClassVar[bool]
    """Whether a version takes in what comes and goes (:meth:`add`, :meth:`delete`). Otherwise it
    never changes: what came later is searched beside it until the next one is built."""

    def explain(self, spec: IndexSpec, count: int) -> str:
        """Say which kind of index would be built of so many vectors, and why."""

    def build(
        self,
        model: ModelVersion,
        spec: IndexSpec,
        progress: Progress,
        likely_queries: LikelyQueries,
    ) -> IndexVersion:
        """Make a version of all stored vectors of a model, and its row; it is not live yet.

        Nothing is left of it where this raises.

        Raises:
            IndexFileError, DiskFullError: it cannot be written.
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

    def problems(self, index: IndexVersion) -> Sequence[CheckMessage]:
        """Return what a system check tells of a version, without calling any server."""

    def add(self, index: IndexVersion, ids: IdVector, vectors: FloatMatrix) -> None:
        """Put pictures in, in place of what the version holds of them.

        Where it raises, a part may have been written; writing all again is safe. A store that does
        not follow rows does nothing.

        Args:
            index: the version.
            ids: int64 of shape (n,), unique.
            vectors: float32 of shape (n, dim), by the model of the version.
        """

    def delete(self, index: IndexVersion, ids: IdVector) -> None:
        """Take pictures out; ids that are not there are ignored. A store that does not follow rows
        does nothing: every answer is looked up in the database last."""

    def sync_sentences(self, index: IndexVersion, model: SentenceModel) -> None:
        """Let a version take in what this model read of captions and titles since. A store that
        does not follow rows does nothing: what came later is searched beside it."""

    def records(self, index: IndexVersion) -> Iterator[Record]:
        """Yield everything in a version by ascending id, holding some thousands at a time.

        What is written meanwhile may be seen or not.
        """

    def locations(self) -> list[str]:
        """Return where versions are, whether a row names them (its ``location``) or not."""

    def remove(self, location: str) -> None:
        """Remove what is kept there, if anything is."""

    def folder(self, index: IndexVersion) -> Path | None:
        """Return the folder that :class:`mlcore.index.VectorIndex` reads, as a bundle carries it;
        None where the version is not kept in one."""

    def adopt(self, model: ModelVersion, folder: Path) -> IndexVersion | None:
        """Take over a folder that :class:`mlcore.index.VectorIndex` wrote, and make its row; None
        where an index must be built here instead, and the folder is left alone."""
