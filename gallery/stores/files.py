"""Index versions as directories on this machine, which never change once they are written."""

import logging
import shutil
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from django.conf import settings

from gallery.models import ImageEmbedding, IndexVersion, ModelVersion
from gallery.stores.base import LikelyQueries
from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.errors import IndexFileError
from mlcore.index import FreshTail, Hit, VectorIndex, choose_kind, search_with_tail
from mlcore.progress import Progress

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileLookup:
    """An index in memory, and beside it the pictures embedded since it was built."""

    model: ModelVersion
    index: VectorIndex
    tail: FreshTail
    watermark: int
    """The latest embedding row that is in index or tail."""
    warning: str = ""
    most_hits: None = None

    def search(
        self, query: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> list[Hit]:
        [hits] = search_with_tail(self.index, self.tail, query, k, allowed_ids=allowed_ids)
        return hits

    @property
    def fingerprint(self) -> str:
        return self.index.fingerprint

    @property
    def is_exact(self) -> bool:
        return self.index.is_exact

    def candidates(
        self, query: FloatMatrix, count: int, *, allowed_ids: IdVector | None = None
    ) -> list[int]:
        old = self.index.nearest_of_all(query, count, allowed_ids=allowed_ids)
        [fresh] = self.tail.search(query, count, allowed_ids=allowed_ids)
        return [hit.image_id for hit in (*old, *fresh)]

    def sample(self) -> FloatMatrix:
        return self.index.sample()

    def refreshed(self) -> "FileLookup":
        rows = ImageEmbedding.objects.later_than(self.model, self.watermark)
        ids, vectors, watermark = rows.matrix()
        if not len(ids):
            return self
        return replace(self, tail=self.tail.extended(ids, vectors), watermark=watermark)

    def check(self) -> None:
        """It is in memory."""


class FileStore:
    """Implements :class:`gallery.stores.base.IndexStore`."""

    def build(
        self,
        model: ModelVersion,
        spec: IndexSpec,
        progress: Progress,
        likely_queries: LikelyQueries,
    ) -> IndexVersion:
        progress.report(0, 3, "Reading vectors")
        ids, vectors, watermark = ImageEmbedding.objects.of_model(model).matrix()
        progress.report(1, 3, f"Building an index of {len(ids)} pictures")
        exact = choose_kind(spec, len(ids)).kind == "flat"
        index = VectorIndex.build(
            ids,
            vectors,
            spec,
            fingerprint=model.fingerprint,
            watermark=watermark,
            queries=None if exact else likely_queries(),
        )
        directory = uuid.uuid4().hex
        manifest = index.save(Path(settings.INDEX_DIR) / directory)
        return IndexVersion.objects.create(
            model_version=model,
            directory=directory,
            count=len(ids),
            watermark=watermark,
            manifest=asdict(manifest),
        )

    def open(self, index: IndexVersion) -> FileLookup:
        """Load the files. Where they are missing or damaged, an index in memory is made from the
        stored vectors instead: searches go on, and the warning says what to do."""
        model = index.model_version
        warning = ""
        watermark = index.watermark
        try:
            loaded = index.load()
        except IndexFileError as error:
            logger.error("%s", error)
            ids, vectors, watermark = ImageEmbedding.objects.of_model(model).matrix()
            if not len(ids):
                raise
            loaded = VectorIndex.build(
                ids, vectors, IndexSpec(), fingerprint=model.fingerprint, watermark=watermark
            )
            warning = f"{error} Searches are answered from the stored vectors meanwhile."
        return FileLookup(model, loaded, FreshTail.empty(model.dim), watermark, warning).refreshed()

    def check(self, index: IndexVersion, *, thoroughly: bool = False) -> None:
        if thoroughly:
            index.load()
        else:
            index.check_files()

    def follow(self, index: IndexVersion) -> None:
        """Pictures that came later are searched beside the files."""

    def forget(self, index: IndexVersion, ids: IdVector) -> None:
        """Every answer is looked up in the database last."""

    def went_live(self, index: IndexVersion) -> None:
        """The row says so."""

    def remove(self, index: IndexVersion) -> None:
        shutil.rmtree(index.path, ignore_errors=True)

    def differences(self, index: IndexVersion, *, mend: bool) -> None:
        return None
