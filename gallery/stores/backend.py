"""Index versions in a vector store on other machines, which take in what comes and goes."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import F, Max

from gallery.models import ImageEmbedding, IndexVersion, ModelVersion
from gallery.stores.base import LikelyQueries
from mlcore import vectorstore
from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.index import Hit
from mlcore.progress import Progress
from mlcore.vectorstore import Differences, Filter, UnknownVersionError, VectorBackend
from mlcore.vectorstore.base import check_fingerprint
from mlcore.vectorstore.milvus import MOST_HITS
from mlcore.vectorstore.truth import TrueRow

IN_SAMPLE = 256
"""Vectors by which words and pictures in one query are balanced."""
DRAWN_FOR_SAMPLE = 4 * IN_SAMPLE
"""Row numbers tried for them: some rows are gone."""
WIDER = 10
"""How many times as many results as are wanted are asked for where none shall be missed."""
EXPECTED_RECALL = 0.97
"""Share of the best that a search finds; below it the status page warns."""
SENT_AT_ONCE = 1_000
"""New pictures taken in together; 1,000 vectors of 512 are 2 MB."""


@dataclass(frozen=True, slots=True)
class BackendLookup:
    """One version, searched under its own name: whatever is made live meanwhile, an answer comes
    wholly from it."""

    backend: VectorBackend
    name: str
    model: ModelVersion
    warning: str = ""
    most_hits: int = MOST_HITS

    def search(
        self, query: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> list[Hit]:
        [hits] = self.backend.search(
            self.name,
            query,
            k,
            fingerprint=self.model.fingerprint,
            where=Filter(allowed_ids=allowed_ids),
        )
        return hits

    @property
    def fingerprint(self) -> str:
        return self.model.fingerprint

    @property
    def is_exact(self) -> bool:
        return False

    def candidates(
        self, query: FloatMatrix, count: int, *, allowed_ids: IdVector | None = None
    ) -> list[int]:
        # The graph is followed as far as there are results to find.
        hits = self.search(query, count * WIDER, allowed_ids=allowed_ids)
        return [hit.image_id for hit in hits]

    def sample(self) -> FloatMatrix:
        rows = ImageEmbedding.objects.of_model(self.model)
        last = rows.aggregate(last=Max("pk"))["last"] or 0
        numbers = np.linspace(1, last, min(DRAWN_FOR_SAMPLE, last)).astype(np.int64)
        _, drawn, _ = rows.filter(pk__in=numbers.tolist()).matrix()
        if len(drawn) < IN_SAMPLE:
            first = rows.order_by("pk").values_list("pk", flat=True)[:IN_SAMPLE]
            _, drawn, _ = rows.filter(pk__in=list(first)).matrix()
        return drawn[:: max(1, len(drawn) // IN_SAMPLE)][:IN_SAMPLE]

    def refreshed(self) -> "BackendLookup":
        return self

    def check(self) -> None:
        self.backend.info(self.name)


class BackendStore:
    """Implements :class:`gallery.stores.base.IndexStore` over a vector store."""

    def __init__(self, backend: VectorBackend) -> None:
        self.backend = backend

    def build(
        self,
        model: ModelVersion,
        spec: IndexSpec,
        progress: Progress,
        likely_queries: LikelyQueries,
    ) -> IndexVersion:
        rows = ImageEmbedding.objects.of_model(model)
        total, watermark = rows.count(), rows.aggregate(last=Max("pk"))["last"]
        name = f"{model.fingerprint[:12]}_{uuid.uuid4().hex}"
        self.backend.create_version(name, dim=model.dim, fingerprint=model.fingerprint)
        try:
            truth = _told(rows.by_picture(), total, progress)
            self._mend(name, model, truth)
        except BaseException:
            self.backend.drop(name)
            raise
        return IndexVersion.objects.create(
            model_version=model,
            directory=name,
            count=total,
            watermark=watermark,
            manifest={
                "store": IndexVersion.IN_MILVUS,
                "fingerprint": model.fingerprint,
                "dim": model.dim,
                "count": total,
                "kind": "hnsw",
                "tuning": {"target": EXPECTED_RECALL},
            },
        )

    def open(self, index: IndexVersion) -> BackendLookup:
        self.check(index)
        return BackendLookup(self.backend, index.directory, index.model_version)

    def check(self, index: IndexVersion, *, thoroughly: bool = False) -> None:
        try:
            found = self.backend.info(index.directory)
        except UnknownVersionError as error:
            raise UnknownVersionError(
                f"{index} is not in the vector store. Build a new index with "
                f"'manage.py build_index'. ({error})"
            ) from error
        check_fingerprint(found, index.model_version.fingerprint, "The pictures")

    def follow(self, index: IndexVersion) -> None:
        """Later rows are sent in the order in which they were committed, so that none is passed
        over; two processes that do so at once write the same twice."""
        model, watermark = index.model_version, index.watermark
        while True:
            rows = ImageEmbedding.objects.later_than(model, watermark)
            later = list(rows.values_list("pk", flat=True)[:SENT_AT_ONCE])
            if not later:
                return
            ids, vectors, _ = rows.filter(pk__in=later).matrix()
            if len(ids):  # or all were deleted between the two reads
                self.backend.upsert(index.directory, ids, vectors, fingerprint=model.fingerprint)
            IndexVersion.objects.filter(pk=index.pk, watermark__lte=watermark).update(
                watermark=later[-1], count=F("count") + len(ids)
            )
            watermark = later[-1]

    def forget(self, index: IndexVersion, ids: IdVector) -> None:
        self.backend.delete(index.directory, ids)

    def went_live(self, index: IndexVersion) -> None:
        self.backend.activate(index.directory)

    def remove(self, index: IndexVersion) -> None:
        self.backend.drop(index.directory)

    def differences(self, index: IndexVersion, *, mend: bool) -> Differences:
        name, model = index.directory, index.model_version
        truth = ImageEmbedding.objects.of_model(model).by_picture()
        if mend:
            return self._mend(name, model, truth)
        return vectorstore.check(self.backend, name, truth, fingerprint=model.fingerprint)

    def _mend(self, name: str, model: ModelVersion, truth: Iterable[TrueRow]) -> Differences:
        return vectorstore.mend(
            self.backend,
            name,
            truth,
            fingerprint=model.fingerprint,
            look_again=lambda ids: _rows(model, ids),
        )

    def strays(self) -> list[str]:
        """Return the names of versions that no index belongs to, as a killed build leaves them."""
        kept = set(IndexVersion.objects.values_list("directory", flat=True))
        return [found.name for found in self.backend.versions() if found.name not in kept]


def _told(rows: Iterable[TrueRow], total: int, progress: Progress) -> Iterator[TrueRow]:
    """Pass rows on and say how far they are."""
    for done, row in enumerate(rows):
        if done % SENT_AT_ONCE == 0:
            progress.report(1, 3, f"Comparing and sending vectors: {done:,} of {total:,}")
        yield row


def _rows(model: ModelVersion, ids: Sequence[int]) -> Iterator[TrueRow]:
    """What is stored now of these pictures."""
    return ImageEmbedding.objects.of_model(model).filter(image_id__in=ids).by_picture()
