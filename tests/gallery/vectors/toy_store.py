"""A third kind of store: a dict and numpy. It shows what one costs: this module and one entry."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from django.conf import settings
from django.core.checks import CheckMessage
from numpy.typing import NDArray

from gallery.models import ImageEmbedding, IndexVersion, ModelVersion, SentenceModel
from gallery.models.square import squares_of
from gallery.vectors.base import LikelyQueries, Record
from gallery.vectors.errors import UnknownVersionError
from gallery.vectors.reconcile import fill
from gallery.vectors.registry import Backend
from gallery.vectors.sentences import CaptionLookup, kept_up, open_captions
from gallery.vectors.squares import (
    best_squares,
    picture_of,
    record_ids,
    stored_squares,
)
from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.errors import IndexMismatchError
from mlcore.index import Hit
from mlcore.index.checks import check_queries
from mlcore.progress import Progress

ENTRY = Backend("tests.gallery.vectors.toy_store.ToyStore", schemes=("toy",), form="toy://name")


@dataclass(frozen=True, slots=True)
class ToyLookup:
    store: "ToyStore"
    index: IndexVersion
    captions: CaptionLookup
    warning: None = None
    most_hits: None = None
    is_exact: bool = True

    @property
    def fingerprint(self) -> str:
        return self.index.model_version.fingerprint

    def search(
        self, query: FloatMatrix, k: int, *, allowed_ids: IdVector | None = None
    ) -> list[Hit]:
        check_queries(query, k, self.index.model_version.dim)
        allowed = None if allowed_ids is None else set(allowed_ids.tolist())
        hits = [
            Hit(picture_of(key), float(vector @ query[0]))
            for key, vector in self.store.records(self.index)
            if (allowed is None or picture_of(key) in allowed)
            and (key > 0 or settings.CONTEXTVISION_SQUARES)
        ]
        return best_squares(hits, k)

    def candidates(
        self, query: FloatMatrix, count: int, *, allowed_ids: IdVector | None = None
    ) -> list[int]:
        return [hit.image_id for hit in self.search(query, count, allowed_ids=allowed_ids)]

    def scores_of(self, query: FloatMatrix, image_ids: IdVector) -> NDArray[np.float32]:
        kept = {hit.image_id: hit.score for hit in self.search(query, 1_000_000)}
        scores = [kept.get(key, np.nan) for key in image_ids.tolist()]
        return np.array(scores, dtype=np.float32)

    def sample(self) -> FloatMatrix:
        return ImageEmbedding.objects.of_model(self.index.model_version).sample()

    def refreshed(self) -> "ToyLookup":
        return replace(self, captions=kept_up(self.captions))

    def check(self) -> None:
        self.store.check(self.index)


class ToyStore:
    """Implements :class:`gallery.vectors.base.IndexStore`."""

    scheme: ClassVar[str] = "toy"
    follows_rows: ClassVar[bool] = True
    kept: ClassVar[dict[str, tuple[str, dict[int, NDArray[np.float32]]]]] = {}

    def __init__(self, address: str) -> None:
        """All of them share one dict, as connections to one server would."""

    def explain(self, spec: IndexSpec, count: int) -> str:
        return "A dict, whatever is asked for."

    def build(
        self,
        model: ModelVersion,
        spec: IndexSpec,
        progress: Progress,
        likely_queries: LikelyQueries,
    ) -> IndexVersion:
        rows = ImageEmbedding.objects.of_model(model)
        index = IndexVersion(
            model_version=model,
            store=self.scheme,
            location=uuid.uuid4().hex,
            count=rows.count(),
            watermark=max(rows.values_list("pk", flat=True), default=0),
            **stored_squares(model),
        )
        self.kept[index.location] = (model.fingerprint, {})
        try:
            fill(self, index, progress)
        except BaseException:
            self.remove(index.location)
            raise
        index.save()
        return index

    def open(self, index: IndexVersion) -> ToyLookup:
        self.check(index)
        return ToyLookup(self, index, open_captions(index, None))

    def check(self, index: IndexVersion, *, thoroughly: bool = False) -> None:
        if index.location not in self.kept:
            raise UnknownVersionError("vectors.not_in_store", index=str(index.pk), reason="")
        fingerprint, _ = self.kept[index.location]
        if fingerprint != index.model_version.fingerprint:
            raise IndexMismatchError("vectors.other_model", index=str(index.pk), found=fingerprint)

    def problems(self, index: IndexVersion) -> Sequence[CheckMessage]:
        return []

    def add(self, index: IndexVersion, ids: IdVector, vectors: FloatMatrix) -> None:
        self.kept[index.location][1].update(zip(ids.tolist(), vectors, strict=True))

    def delete(self, index: IndexVersion, ids: IdVector) -> None:
        for key in [*ids.tolist(), *record_ids(squares_of(ids[ids > 0])).tolist()]:
            self.kept[index.location][1].pop(key, None)

    def sync_sentences(self, index: IndexVersion, model: SentenceModel) -> None:
        """Sentences are searched in memory."""

    def records(self, index: IndexVersion) -> Iterator[Record]:
        yield from sorted(self.kept[index.location][1].items())

    def locations(self) -> list[str]:
        return sorted(self.kept)

    def remove(self, location: str) -> None:
        self.kept.pop(location, None)

    def folder(self, index: IndexVersion) -> None:
        return None

    def adopt(self, model: ModelVersion, folder: Path) -> None:
        return None
