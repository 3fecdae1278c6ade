"""Index versions on a Milvus server, for more than one machine holds.

A version is a collection of its own, searched by its name. The fingerprint of the model is a
property of the collection.
"""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from django.core.checks import CheckMessage
from django.db.models import Max, QuerySet

from gallery.models import (
    ImageEmbedding,
    IndexVersion,
    ModelVersion,
    SentenceModel,
    SentenceReading,
)
from gallery.models.sentence import SentenceRows
from gallery.models.square import squares_of
from gallery.vectors.base import LikelyQueries, Record
from gallery.vectors.errors import UnknownVersionError, VectorStoreUnavailableError
from gallery.vectors.milvus_address import Consistency, MilvusAddress
from gallery.vectors.milvus_connection import Connection, NotFoundError, NotLoadedError
from gallery.vectors.milvus_lookup import (
    IDS_AT_ONCE,
    MilvusCaptions,
    MilvusLookup,
    pieces,
    terms,
)
from gallery.vectors.reconcile import fill
from gallery.vectors.sentences import (
    CaptionLookup,
    later_rows,
    open_captions,
    sync_rows,
)
from gallery.vectors.squares import picture_of, record_ids, stored_squares
from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.errors import IndexMismatchError
from mlcore.i18n import Message
from mlcore.index import Hit
from mlcore.progress import Progress

PREFIX = "contextvision__"
"""Of the names of all collections, so that others may live on the same server."""
CAPTIONS = "__captions"
"""At the end of the name of a version's collection of sentences."""
FINGERPRINT = "contextvision.fingerprint"

HNSW = {"M": 16, "efConstruction": 200}
"""Links a vector, and candidates looked at while it is linked (Malkov and Yashunin 2018)."""
EF = 128
"""Candidates that a search looks at; at least k."""
EXPECTED_RECALL = 0.97
"""Share of the best that a search finds; below it the status page warns."""

WRITTEN_AT_ONCE = 1_000
"""Records in one message: 2 MB at 512 numbers each, of the 64 MB that a server takes."""
READ_AT_ONCE = 4_000
"""Records in one answer."""

WRITE_TIMEOUT = 60.0
"""Seconds for what changes much: writing a batch, making or loading a collection."""


class MilvusStore:
    """Implements :class:`gallery.vectors.base.IndexStore` on a Milvus server, 2.3 or later.

    Writes are seen by this process's next search; by those of other processes soon, or at once
    where the address asks for strong consistency. Reading everything is always strong. HNSW is
    approximate: a search may miss a few of the best.
    """

    scheme: ClassVar[str] = "milvus"
    follows_rows: ClassVar[bool] = True

    def __init__(self, address: str, *, prefix: str = PREFIX) -> None:
        self._connection = Connection(MilvusAddress.parse(address))
        self._prefix = prefix

    def explain(self, spec: IndexSpec, count: int) -> str:
        return str(Message("vectors.milvus_kind"))

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
            watermark=rows.aggregate(last=Max("pk"))["last"] or 0,
            **stored_squares(model),
        )
        index.manifest = {
            "fingerprint": model.fingerprint,
            "dim": model.dim,
            "count": index.count,
            "kind": "hnsw",
            "tuning": {"target": EXPECTED_RECALL},
        }
        self._make_collection(self._collection(index), model.dim, model.fingerprint)
        try:
            fill(self, index, progress)
            self._fill_captions(index)
        except BaseException:
            self.remove(index.location)
            raise
        index.save()
        return index

    def _make_collection(
        self, name: str, dim: int, fingerprint: str, *, of_images: bool = False
    ) -> None:
        """Make a collection; ``of_images`` adds the picture that each record belongs to."""
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        if of_images:
            schema.add_field("image_id", DataType.INT64)
        params = MilvusClient.prepare_index_params()
        params.add_index("vector", index_type="HNSW", metric_type="IP", params=HNSW)
        self._connection.call(
            "create_collection",
            name,
            schema=schema,
            index_params=params,
            properties={FINGERPRINT: fingerprint},
            consistency_level="Session",
            timeout=WRITE_TIMEOUT,
        )

    def open(self, index: IndexVersion) -> MilvusLookup:
        self.check(index)
        return MilvusLookup(self, index, self.captions(index), self.has_squares(index))

    def has_squares(self, index: IndexVersion) -> bool:
        """Tell whether a version holds squares of wide pictures."""
        return IndexVersion.objects.filter(pk=index.pk, square_count__gt=0).exists()

    def captions(self, index: IndexVersion) -> CaptionLookup:
        """Open the sentences of a version; from the stored rows, in memory, while it does not hold
        those of the model that reads now."""
        model = SentenceReading.objects.current()
        if model is not None and index.sentence_model == model:
            return MilvusCaptions(self, index, model)
        return open_captions(index, None)

    def check(self, index: IndexVersion, *, thoroughly: bool = False) -> None:
        self._check(index, self._collection(index), index.model_version.fingerprint)
        if index.sentence_model is not None:
            self._check(index, self._captions(index), index.sentence_model.fingerprint)

    def _check(self, index: IndexVersion, collection: str, expected: str) -> None:
        try:
            found = self._connection.call("describe_collection", collection)
        except NotFoundError as error:
            raise UnknownVersionError(
                "vectors.not_in_store", index=str(index.pk), reason=error.message
            ) from error
        fingerprint = found.get("properties", {}).get(FINGERPRINT, "")
        if fingerprint != expected:
            raise IndexMismatchError(
                "vectors.other_model", index=str(index.pk), found=fingerprint[:8] or "?"
            )

    def problems(self, index: IndexVersion) -> Sequence[CheckMessage]:
        return []

    def add(self, index: IndexVersion, ids: IdVector, vectors: FloatMatrix) -> None:
        rows = [
            {"id": key, "vector": vector} for key, vector in zip(ids.tolist(), vectors, strict=True)
        ]
        self._upsert(self._collection(index), rows)

    def _upsert(self, collection: str, rows: Sequence[dict[str, Any]]) -> None:
        for start in range(0, len(rows), WRITTEN_AT_ONCE):
            piece = list(rows[start : start + WRITTEN_AT_ONCE])
            self._connection.call("upsert", collection, piece, timeout=WRITE_TIMEOUT)

    def delete(self, index: IndexVersion, ids: IdVector) -> None:
        # Whether the row counts squares or not: some may just have come.
        records = np.concatenate([ids, record_ids(squares_of(ids[ids > 0]))])
        self._delete(self._collection(index), records)
        if index.sentence_model_id is not None:
            for term in terms("image_id", ids):
                self._connection.call(
                    "delete", self._captions(index), filter=term, timeout=WRITE_TIMEOUT
                )

    def _delete(self, collection: str, ids: IdVector) -> None:
        for start in range(0, len(ids), IDS_AT_ONCE):
            piece = ids[start : start + IDS_AT_ONCE].tolist()
            self._connection.call("delete", collection, ids=piece, timeout=WRITE_TIMEOUT)

    def add_sentences(self, index: IndexVersion, rows: SentenceRows) -> None:
        # A caption that was moved to another picture is gone from the one, and new at the other.
        self._delete(self._captions(index), rows.keys[~rows.said])
        said = zip(rows.keys, rows.images, rows.vectors, rows.said, strict=True)
        self._upsert(
            self._captions(index),
            [
                {"id": int(key), "image_id": int(image_id), "vector": vector}
                for key, image_id, vector, is_said in said
                if is_said
            ],
        )

    def sync_sentences(self, index: IndexVersion, model: SentenceModel) -> None:
        if index.sentence_model_id == model.pk:
            sync_rows(self, index, model)
        elif index.is_active:
            self._connection.call("drop_collection", self._captions(index), timeout=WRITE_TIMEOUT)
            self._fill_captions(index)
            index.save(update_fields=["sentence_model", "sentence_count", "sentence_watermark"])

    def _fill_captions(self, index: IndexVersion) -> None:
        """Make and fill the collection of sentences, by the model that reads now."""
        model = SentenceReading.objects.current()
        if model is None:
            return
        self._make_collection(self._captions(index), model.dim, model.fingerprint, of_images=True)
        index.sentence_model = model
        index.sentence_count = index.sentence_watermark = 0
        for rows in later_rows(model, 0):
            self.add_sentences(index, rows)
            index.sentence_count += int(rows.said.sum())
            index.sentence_watermark = rows.watermark

    def sentence_records(self, index: IndexVersion) -> Iterator[SentenceRows]:
        for rows in self._pages(self._captions(index), ["id", "image_id", "vector"]):
            yield SentenceRows(
                np.array([row["id"] for row in rows], dtype=np.int64),
                np.array([row["image_id"] for row in rows], dtype=np.int64),
                np.array([row["vector"] for row in rows], dtype=np.float32),
                np.ones(len(rows), dtype=np.bool_),
                0,
            )

    def require_none(self, rows: QuerySet[Any], allowed_ids: IdVector | None) -> None:
        """Make sure that a search may find nothing: for some seconds after it was started again, a
        server answers with nothing as if it were so.

        Raises:
            VectorStoreUnavailableError: the version holds some of these rows.
        """
        if allowed_ids is None:
            is_outage = rows.exists()
        else:
            is_outage = any(
                rows.filter(image_id__in=piece).exists() for piece in pieces(allowed_ids)
            )
        if is_outage:
            address = str(self._connection.address)
            raise VectorStoreUnavailableError("vectors.milvus_loading", address=address)

    def caption_hits(
        self, index: IndexVersion, query: FloatMatrix, k: int, term: str
    ) -> list[tuple[int, int, float]]:
        """Return picture, key and cosine of the ``k`` best sentences for which an expression is
        true."""
        hits = self._nearest(self._captions(index), query, k, term, ["image_id"])
        return [
            (int(hit["entity"]["image_id"]), int(hit["id"]), float(hit["distance"])) for hit in hits
        ]

    def hits(self, index: IndexVersion, query: FloatMatrix, k: int, term: str) -> list[Hit]:
        """Return the ``k`` best records for which a Milvus expression is true, by the pictures that
        they belong to."""
        hits = self._nearest(self._collection(index), query, k, term, [])
        return [Hit(picture_of(int(hit["id"])), float(hit["distance"])) for hit in hits]

    def _nearest(
        self, collection: str, query: FloatMatrix, k: int, term: str, fields: list[str]
    ) -> Any:
        [hits] = self._read(
            collection,
            "search",
            data=list(query),
            anns_field="vector",
            limit=k,
            filter=term,
            search_params={"metric_type": "IP", "params": {"ef": max(EF, k)}},
            output_fields=fields,
            consistency_level=self._consistency.capitalize(),
        )
        return hits

    def records(self, index: IndexVersion) -> Iterator[Record]:
        for rows in self._pages(self._collection(index), ["id", "vector"]):
            for row in rows:
                yield int(row["id"]), np.asarray(row["vector"], dtype=np.float32)

    def _pages(self, collection: str, fields: list[str]) -> Iterator[list[dict[str, Any]]]:
        """Yield everything in a collection, some thousands of records at a time."""
        pages = self._read(
            collection,
            "query_iterator",
            batch_size=READ_AT_ONCE,
            filter="",
            output_fields=fields,
            consistency_level="Strong",
            timeout=WRITE_TIMEOUT,
        )
        try:
            while rows := self._connection.guard(pages.next):
                yield rows
        finally:
            pages.close()

    def locations(self) -> list[str]:
        names = self._connection.call("list_collections")
        ours = (name for name in names if name.startswith(self._prefix))
        return sorted({name.removeprefix(self._prefix).removesuffix(CAPTIONS) for name in ours})

    def remove(self, location: str) -> None:
        for name in (self._prefix + location + CAPTIONS, self._prefix + location):
            self._connection.call("drop_collection", name, timeout=WRITE_TIMEOUT)

    def folder(self, index: IndexVersion) -> None:
        return None

    def adopt(self, model: ModelVersion, folder: Any) -> None:
        return None

    @property
    def _consistency(self) -> Consistency:
        return self._connection.address.consistency

    def _collection(self, index: IndexVersion) -> str:
        return self._prefix + index.location

    def _captions(self, index: IndexVersion) -> str:
        return self._collection(index) + CAPTIONS

    def _read(self, collection: str, method: str, **named: Any) -> Any:
        """Call a reading method; a collection that is not loaded, as after a restart, is."""
        try:
            return self._connection.call(method, collection, **named)
        except NotLoadedError:
            # Some engines load by themselves after a restart, some wait to be told.
            self._connection.call("load_collection", collection, _async=True)
            return self._connection.call(method, collection, **named)
