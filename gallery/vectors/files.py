"""Index versions as directories on this machine, which never change once they are written."""

import logging
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from django.conf import settings
from django.core.checks import CheckMessage, Warning
from numpy.typing import NDArray

from gallery.disk import require_room
from gallery.models import (
    ImageEmbedding,
    IndexVersion,
    ModelVersion,
    SentenceEmbedding,
    SentenceModel,
    SquareEmbedding,
)
from gallery.vectors.base import LikelyQueries, Record
from gallery.vectors.sentences import (
    FOLDER,
    CaptionLookup,
    IndexedCaptions,
    build_captions,
    kept_up,
    open_captions,
)
from gallery.vectors.squares import FOLDER as SQUARES
from gallery.vectors.squares import Squares, best_squares, build_squares, open_squares
from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.errors import IndexFileError, IndexMismatchError
from mlcore.i18n import Message
from mlcore.index import (
    FreshTail,
    Hit,
    IndexManifest,
    VectorIndex,
    choose_kind,
    search_with_tail,
)
from mlcore.index.checks import check_queries
from mlcore.index.hits import cosines
from mlcore.progress import Progress

logger = logging.getLogger(__name__)

MOST_FROM_ROWS = 100_000
"""Pictures that are searched from the stored vectors where the files cannot be read."""
MOST_SENTENCES_FROM_ROWS = 5 * MOST_FROM_ROWS
"""Captions and titles likewise."""
READ_AT_ONCE = 4_000
"""Vectors taken out of an index together."""


@dataclass(frozen=True, slots=True)
class FileLookup:
    """An index in memory, and beside it the pictures embedded since it was built."""

    model: ModelVersion
    index: VectorIndex
    tail: FreshTail
    watermark: int
    """The latest embedding row that is in index or tail."""
    captions: CaptionLookup
    squares: Squares | None = None
    """Of wide pictures; None where the settings want none."""
    warning: Message | None = None
    most_hits: None = None

    def search(
        self, query: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> list[Hit]:
        [hits] = search_with_tail(self.index, self.tail, query, k, allowed_ids=allowed_ids)
        if not self.squares:
            return hits
        return best_squares([*hits, *self.squares.search(query, k, allowed_ids)], k)

    @property
    def fingerprint(self) -> str:
        return self.index.fingerprint

    @property
    def is_exact(self) -> bool:
        return self.index.is_exact and not (self.squares and not self.squares.index.is_exact)

    def candidates(
        self, query: FloatMatrix, count: int, *, allowed_ids: IdVector | None = None
    ) -> list[int]:
        old = self.index.nearest_of_all(query, count, allowed_ids=allowed_ids)
        [fresh] = self.tail.search(query, count, allowed_ids=allowed_ids)
        found = [hit.image_id for hit in (*old, *fresh)]
        if self.squares:
            found += self.squares.candidates(query, count, allowed_ids)
        return found

    def scores_of(self, query: FloatMatrix, image_ids: IdVector) -> NDArray[np.float32]:
        check_queries(query, 1, self.model.dim)
        scores = np.full(len(image_ids), np.nan, dtype=np.float32)
        fresh = self.tail.places_of(image_ids)
        late = fresh >= 0
        scores[late] = cosines(query[0], self.tail.vectors[fresh[late]])
        # As in a search, a picture in both counts as the index has it.
        known = self.index.contains(image_ids)
        scores[known] = cosines(query[0], self.index.vectors_of(image_ids[known]))
        if not self.squares:
            return scores
        best: NDArray[np.float32] = np.fmax(scores, self.squares.scores_of(query, image_ids))
        return best

    def sample(self) -> FloatMatrix:
        return self.index.sample()

    def refreshed(self) -> "FileLookup":
        captions = kept_up(self.captions)
        squares = None if self.squares is None else self.squares.refreshed()
        rows = ImageEmbedding.objects.later_than(self.model, self.watermark)
        ids, vectors, watermark = rows.matrix()
        if not len(ids):
            if captions is self.captions and squares is self.squares:
                return self
            return replace(self, captions=captions, squares=squares)
        tail = self.tail.extended(ids, vectors)
        return replace(self, tail=tail, watermark=watermark, captions=captions, squares=squares)

    def check(self) -> None:
        """It is in memory."""


class FileStore:
    """Implements :class:`gallery.vectors.base.IndexStore`."""

    scheme: ClassVar[str] = "files"
    follows_rows: ClassVar[bool] = False

    def __init__(self, address: str) -> None:
        """The files are in the index folder of the settings, whatever the address says."""

    def explain(self, spec: IndexSpec, count: int) -> str:
        return str(choose_kind(spec, count).reason)

    def build(
        self,
        model: ModelVersion,
        spec: IndexSpec,
        progress: Progress,
        likely_queries: LikelyQueries,
    ) -> IndexVersion:
        progress.report(0, 3, Message("stage.reading_vectors"))
        ids, vectors, watermark = ImageEmbedding.objects.of_model(model).matrix()
        squares = SquareEmbedding.objects.of_model(model).count()
        require_room(vectors.nbytes + 4 * model.dim * squares, settings.INDEX_DIR)
        progress.report(1, 3, Message.of("stage.building_index", count=len(ids)))
        exact = choose_kind(spec, len(ids)).kind == "flat"
        index = VectorIndex.build(
            ids,
            vectors,
            spec,
            fingerprint=model.fingerprint,
            watermark=watermark,
            queries=None if exact else likely_queries(),
        )
        location = uuid.uuid4().hex
        folder = Path(settings.INDEX_DIR) / location
        manifest = index.save(folder)
        try:
            beside = build_captions(folder / FOLDER, spec)
            beside |= build_squares(folder / SQUARES, model, spec, likely_queries)
        except BaseException:
            self.remove(location)
            raise
        return self._row(model, location, manifest, watermark, beside)

    def open(self, index: IndexVersion) -> FileLookup:
        """Load the files. Where they are missing or damaged, an index in memory is made from the
        stored vectors instead: searches go on with a warning, and a worker builds other files.

        Raises:
            IndexFileError: they are, and there are too many vectors for that.
        """
        model = index.model_version
        warning: Message | None = None
        watermark = index.watermark
        try:
            loaded = self.load(index)
        except IndexFileError as error:
            _note_damage(index, error)
            rows = ImageEmbedding.objects.of_model(model)
            _require_few(rows.count(), MOST_FROM_ROWS, error)
            ids, vectors, watermark = rows.matrix()
            if not len(ids):
                raise
            loaded = VectorIndex.build(
                ids, vectors, IndexSpec(), fingerprint=model.fingerprint, watermark=watermark
            )
            warning = Message.of("vectors.from_rows_meanwhile", reason=error.message)
        try:
            captions = open_captions(index, self.folder(index))
        except IndexFileError as error:
            _note_damage(index, error)
            said = SentenceEmbedding.objects.filter(model=index.sentence_model)
            _require_few(said.count(), MOST_SENTENCES_FROM_ROWS, error)
            captions = open_captions(index, None)
            warning = warning or Message.of("vectors.from_rows_meanwhile", reason=error.message)
        try:
            squares = open_squares(index, self.folder(index))
        except IndexFileError as error:
            _note_damage(index, error)
            _require_few(index.square_count, MOST_FROM_ROWS, error)
            squares = open_squares(index, None)
            warning = warning or Message.of("vectors.from_rows_meanwhile", reason=error.message)
        tail = FreshTail.empty(model.dim)
        lookup = FileLookup(model, loaded, tail, watermark, captions, squares, warning)
        return lookup.refreshed()

    def load(self, index: IndexVersion) -> VectorIndex:
        """Read the files; damaged, missing or foreign ones are refused."""
        return VectorIndex.load(self.folder(index), fingerprint=index.model_version.fingerprint)

    def check(self, index: IndexVersion, *, thoroughly: bool = False) -> None:
        folder = self.folder(index)
        sentences = index.sentence_model
        if thoroughly:
            self.load(index)
            if sentences is not None:
                IndexedCaptions.load(sentences, folder / FOLDER, index.sentence_watermark)
            if index.square_count:
                Squares.load(index.model_version, folder / SQUARES, index.square_watermark)
            return
        self._check_sizes(index, folder, index.model_version.fingerprint)
        if sentences is not None:
            self._check_sizes(index, folder / FOLDER, sentences.fingerprint)
        if index.square_count:
            self._check_sizes(index, folder / SQUARES, index.model_version.fingerprint)

    def _check_sizes(self, index: IndexVersion, folder: Path, fingerprint: str) -> None:
        manifest = IndexManifest.read(folder)
        if manifest.fingerprint != fingerprint:
            raise IndexMismatchError(
                "vectors.other_model", index=str(index.pk), found=manifest.fingerprint[:8]
            )
        for name, record in manifest.files.items():
            file = folder / name
            if not file.is_file() or file.stat().st_size != record.bytes:
                raise IndexFileError("vectors.file_damaged", index=str(index.pk), file=name)

    def problems(self, index: IndexVersion) -> Sequence[CheckMessage]:
        folder = self.folder(index)
        if folder.is_dir():
            return []
        return [
            Warning(
                f"The files of the live index are missing: {folder}.",
                hint="Run 'manage.py build_index': it makes them again from the stored vectors.",
                id="contextvision.W007",
            )
        ]

    def add(self, index: IndexVersion, ids: IdVector, vectors: FloatMatrix) -> None:
        """Pictures that came later are searched beside the files."""

    def delete(self, index: IndexVersion, ids: IdVector) -> None:
        """Every answer is looked up in the database last."""

    def sync_sentences(self, index: IndexVersion, model: SentenceModel) -> None:
        """What came later is searched beside the files."""

    def records(self, index: IndexVersion) -> Iterator[Record]:
        loaded = self.load(index)
        ids = loaded.ids
        for start in range(0, len(ids), READ_AT_ONCE):
            some = ids[start : start + READ_AT_ONCE]
            yield from zip(some.tolist(), loaded.vectors_of(some), strict=True)

    def locations(self) -> list[str]:
        root = Path(settings.INDEX_DIR)
        if not root.is_dir():
            return []
        # Hidden ones are still being written.
        folders = (each for each in root.iterdir() if each.is_dir())
        return sorted(each.name for each in folders if not each.name.startswith("."))

    def remove(self, location: str) -> None:
        shutil.rmtree(Path(settings.INDEX_DIR) / location, ignore_errors=True)

    def folder(self, index: IndexVersion) -> Path:
        return Path(settings.INDEX_DIR) / index.location

    def adopt(self, model: ModelVersion, folder: Path) -> IndexVersion:
        manifest = IndexManifest.read(folder)
        location = uuid.uuid4().hex
        newest = ImageEmbedding.objects.of_model(model).order_by("-pk")
        folder.rename(Path(settings.INDEX_DIR) / location)
        captions = build_captions(Path(settings.INDEX_DIR) / location / FOLDER, IndexSpec())
        watermark = newest.values_list("pk", flat=True)[0]
        return self._row(model, location, manifest, watermark, captions)

    def _row(
        self,
        model: ModelVersion,
        location: str,
        manifest: IndexManifest,
        watermark: int,
        beside: dict[str, Any],
    ) -> IndexVersion:
        return IndexVersion.objects.create(
            model_version=model,
            store=self.scheme,
            location=location,
            count=manifest.count,
            watermark=watermark,
            manifest=asdict(manifest),
            **beside,
        )


def _note_damage(index: IndexVersion, error: IndexFileError) -> None:
    logger.error("%s", error)
    index.note_damage()


def _require_few(count: int, limit: int, error: IndexFileError) -> None:
    if count > limit:
        raise IndexFileError(
            "vectors.too_many_rows", reason=error.message, count=count, limit=limit
        ) from error
