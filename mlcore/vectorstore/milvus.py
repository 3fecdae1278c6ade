"""A vector store on a Milvus server, for more than one machine holds.

A version is a collection, and the active one is what an alias points to: promotion and rollback
are one call that moves it. The fingerprint of the model is a property of the collection.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlcore.config import FloatMatrix, IdVector
from mlcore.errors import IndexMismatchError, InvalidQueryError
from mlcore.index import Hit
from mlcore.index.checks import check_ids, check_ids_and_vectors, check_queries, check_width
from mlcore.vectorstore.address import MilvusAddress
from mlcore.vectorstore.base import (
    ACTIVE,
    Attributes,
    Record,
    VersionInfo,
    attributes_for,
    check_fingerprint,
    check_name,
    check_same_version,
)
from mlcore.vectorstore.catalogue import still_active, unknown
from mlcore.vectorstore.connection import Connection, NotFoundError, NotLoadedError
from mlcore.vectorstore.errors import VectorStoreError
from mlcore.vectorstore.expressions import among, expression
from mlcore.vectorstore.filters import Filter

FINGERPRINT = "contextvision.fingerprint"

HNSW = {"M": 16, "efConstruction": 200}
"""Links a vector, and candidates looked at while it is linked (Malkov and Yashunin 2018)."""
EF = 128
"""Candidates that a search looks at; at least k."""

MOST_HITS = 16_384
"""Results that Milvus gives for one query (quotaAndLimits.limits.topK)."""

WRITTEN_AT_ONCE = 1_000
"""Records in one message: 2 MB at 512 numbers each, of the 64 MB that a server takes."""
READ_AT_ONCE = 4_000
"""Records in one answer."""
IDS_AT_ONCE = 10_000
"""Ids in one expression; Milvus takes about 10 microseconds to read each."""
MOST_DENIED = 100_000
"""Ids that one search may leave out; a second's work for the server."""

LONGEST_TEXT = 1_024
"""Bytes of a collection's or tag's name in UTF-8."""
MOST_TAGS = 4_096
"""Tags on one picture, the most that Milvus allows."""

NOBODY = -1
"""Stands for no owner; no person has this id."""

WRITE_TIMEOUT = 60.0
"""Seconds for what changes much: writing a batch, making or loading a collection."""


class MilvusBackend:
    """Versions on a Milvus server, 2.3 or later.

    Writes are seen by this process's next search; those of other processes soon, or at once where
    the address asks for strong consistency. Counting and reading everything are always strong.
    HNSW is approximate: a search may miss a few of the best.
    """

    def __init__(self, address: MilvusAddress, *, namespace: str = "contextvision") -> None:
        """Use the server at ``address``, which is called when it is first needed.

        ``namespace`` keeps several installations on one server apart.
        """
        check_name(namespace)
        self._connection = Connection(address)
        self._prefix = f"{namespace}__"
        self._alias = f"{namespace}__{ACTIVE}"

    def create_version(self, name: str, *, dim: int, fingerprint: str) -> None:
        check_name(name)
        try:
            found = self.info(name)
        except NotFoundError:
            self._make_collection(name, dim, fingerprint)
        else:
            check_same_version(found, dim=dim, fingerprint=fingerprint)

    def _make_collection(self, name: str, dim: int, fingerprint: str) -> None:
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        schema.add_field("collection", DataType.VARCHAR, max_length=LONGEST_TEXT)
        schema.add_field(
            "tags",
            DataType.ARRAY,
            element_type=DataType.VARCHAR,
            max_capacity=MOST_TAGS,
            max_length=LONGEST_TEXT,
        )
        schema.add_field("split", DataType.VARCHAR, max_length=LONGEST_TEXT)
        schema.add_field("public", DataType.BOOL)
        schema.add_field("owner", DataType.INT64)
        index = MilvusClient.prepare_index_params()
        index.add_index("vector", index_type="HNSW", metric_type="IP", params=HNSW)
        self._connection.call(
            "create_collection",
            self._prefix + name,
            schema=schema,
            index_params=index,
            properties={FINGERPRINT: fingerprint},
            consistency_level="Session",
            timeout=WRITE_TIMEOUT,
        )

    def upsert(
        self,
        version: str,
        ids: IdVector,
        vectors: FloatMatrix,
        attributes: Sequence[Attributes] | None = None,
        *,
        fingerprint: str,
    ) -> None:
        info = self._named(version)
        check_fingerprint(info, fingerprint, "The vectors")
        check_ids_and_vectors(ids, vectors)
        check_width(vectors, info.dim, "The vectors")
        attributes = attributes_for(ids, attributes)
        for start in range(0, len(ids), WRITTEN_AT_ONCE):
            piece = slice(start, start + WRITTEN_AT_ONCE)
            rows = [
                _row(key, vector, each)
                for key, vector, each in zip(
                    ids[piece].tolist(), vectors[piece], attributes[piece], strict=True
                )
            ]
            self._connection.call("upsert", self._prefix + version, rows, timeout=WRITE_TIMEOUT)

    def delete(self, version: str, ids: IdVector) -> None:
        check_ids(ids, "ids")
        self._named(version)
        for start in range(0, len(ids), IDS_AT_ONCE):
            self._connection.call(
                "delete",
                self._prefix + version,
                ids=ids[start : start + IDS_AT_ONCE].tolist(),
                timeout=WRITE_TIMEOUT,
            )

    def search(
        self,
        version: str,
        queries: FloatMatrix,
        k: int,
        *,
        fingerprint: str,
        where: Filter | None = None,
    ) -> list[list[Hit]]:
        where = where or Filter()
        try:
            return self._search(self._resolve(version), queries, k, fingerprint, where)
        except NotFoundError:
            if version != ACTIVE:
                raise
            # Another version was made active, and the one before dropped, between the two calls.
            return self._search(self._resolve(version), queries, k, fingerprint, where)

    def _search(
        self, info: VersionInfo, queries: FloatMatrix, k: int, fingerprint: str, where: Filter
    ) -> list[list[Hit]]:
        check_fingerprint(info, fingerprint, "The queries")
        check_queries(queries, k, info.dim)
        if k > MOST_HITS:
            raise InvalidQueryError(
                f"Milvus gives at most {MOST_HITS:,} results, but {k:,} are asked for."
            )
        denied = where.denied()
        if len(denied) > MOST_DENIED:
            raise InvalidQueryError(
                f"Milvus can leave out {MOST_DENIED:,} pictures by id, but {len(denied):,} are "
                "named. Leave them out by a condition on what they have in common."
            )
        allowed = where.allowed()
        if len(queries) == 0 or (allowed is not None and len(allowed) == 0):
            return [[] for _ in queries]
        if allowed is None:
            terms = [expression(where.conditions, denied=denied)]
        else:
            # Each list of ids is searched for itself; the best of all are among the best of each.
            rest = expression(where.conditions, denied=denied[:0])
            terms = [
                " and ".join(filter(None, (among(allowed[start : start + IDS_AT_ONCE]), rest)))
                for start in range(0, len(allowed), IDS_AT_ONCE)
            ]
        found: list[list[Hit]] = [[] for _ in queries]
        for term in terms:
            for hits, more in zip(found, self._hits(info, queries, k, term), strict=True):
                hits += more
        return [sorted(hits, key=lambda hit: (-hit.score, hit.image_id))[:k] for hits in found]

    def _hits(self, info: VersionInfo, queries: FloatMatrix, k: int, term: str) -> list[list[Hit]]:
        answer = self._read(
            info.name,
            "search",
            data=list(queries),
            anns_field="vector",
            limit=k,
            filter=term,
            search_params={"metric_type": "IP", "params": {"ef": max(EF, k)}},
            consistency_level=self._connection.address.consistency.capitalize(),
        )
        return [[Hit(int(hit["id"]), float(hit["distance"])) for hit in hits] for hits in answer]

    def count(self, version: str) -> int:
        [row] = self._read(
            self._resolve(version).name,
            "query",
            filter="",
            output_fields=["count(*)"],
            consistency_level="Strong",
            timeout=WRITE_TIMEOUT,
        )
        return int(row["count(*)"])

    def ids(self, version: str) -> Iterator[IdVector]:
        for rows in self._pages(version, ["id"]):
            yield np.array([row["id"] for row in rows], dtype=np.int64)

    def records(self, version: str) -> Iterator[Record]:
        fields = ["id", "vector", "collection", "tags", "split", "public", "owner"]
        for rows in self._pages(version, fields):
            for row in rows:
                yield _record(row)

    def _pages(self, version: str, fields: list[str]) -> Iterator[list[dict[str, Any]]]:
        pages = self._read(
            self._resolve(version).name,
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

    def rounding(self, version: str) -> float:
        self._resolve(version)
        return 0.0

    def activate(self, version: str) -> None:
        self._named(version)
        collection = self._prefix + version
        # A search of the alias must never wait for vectors to be loaded.
        self._connection.call("load_collection", collection, timeout=WRITE_TIMEOUT)
        try:
            self._connection.call("alter_alias", collection, self._alias)
        except NotFoundError:
            self._connection.call("create_alias", collection, self._alias)

    def active(self) -> VersionInfo | None:
        try:
            return self.info(ACTIVE)
        except NotFoundError:
            return None

    def info(self, version: str) -> VersionInfo:
        if version == ACTIVE:
            return self._describe(self._alias, active=True)
        check_name(version)
        return self._describe(self._prefix + version, active=self._is_active(version))

    def _describe(self, collection: str, *, active: bool) -> VersionInfo:
        try:
            found = self._connection.call("describe_collection", collection)
        except NotFoundError as error:
            raise NotFoundError(str(unknown(collection.removeprefix(self._prefix)))) from error
        fingerprint = found.get("properties", {}).get(FINGERPRINT)
        dims = [field["params"]["dim"] for field in found["fields"] if field["name"] == "vector"]
        if fingerprint is None or not dims:
            raise IndexMismatchError(
                f"The collection {collection!r} on Milvus at {self._connection.address} was not "
                "made by ContextVision. Choose another name, or another database."
            )
        name = str(found["collection_name"]).removeprefix(self._prefix)
        return VersionInfo(name, int(dims[0]), fingerprint, active)

    def _is_active(self, version: str) -> bool:
        try:
            found = self._connection.call("describe_alias", self._alias)
        except NotFoundError:
            return False
        return bool(found["collection_name"] == self._prefix + version)

    def _resolve(self, version: str) -> VersionInfo:
        """As :meth:`info` in one call, without telling of a named version whether it is active."""
        return self.info(ACTIVE) if version == ACTIVE else self._named(version)

    def _named(self, name: str) -> VersionInfo:
        """Find a version to write to, which :data:`ACTIVE` does not name: it may change."""
        check_name(name)
        return self._describe(self._prefix + name, active=False)

    def drop(self, version: str) -> None:
        self._named(version)
        if self._is_active(version):
            raise still_active(version)
        self._connection.call("drop_collection", self._prefix + version, timeout=WRITE_TIMEOUT)

    def versions(self) -> list[VersionInfo]:
        collections = self._connection.call("list_collections")
        names = sorted(name for name in collections if name.startswith(self._prefix))
        return [self.info(name.removeprefix(self._prefix)) for name in names]

    def _read(self, version: str, method: str, **named: Any) -> Any:
        """Call a reading method; a collection that is not loaded, as after a restart, is."""
        collection = self._prefix + version
        try:
            return self._connection.call(method, collection, **named)
        except NotLoadedError:
            # Some engines load by themselves after a restart, some wait to be told.
            self._connection.call("load_collection", collection, _async=True)
            return self._connection.call(method, collection, **named)


def _row(key: int, vector: Any, attributes: Attributes) -> dict[str, Any]:
    if len(attributes.tags) > MOST_TAGS:
        raise VectorStoreError(
            f"Picture {key} has {len(attributes.tags):,} tags; Milvus holds {MOST_TAGS:,}."
        )
    return {
        "id": key,
        "vector": vector,
        "collection": attributes.collection,
        "tags": list(attributes.tags),
        "split": attributes.split,
        "public": attributes.public,
        "owner": NOBODY if attributes.owner is None else attributes.owner,
    }


def _record(row: dict[str, Any]) -> Record:
    attributes = Attributes(
        collection=row["collection"],
        tags=tuple(row["tags"]),
        split=row["split"],
        public=row["public"],
        owner=None if row["owner"] == NOBODY else row["owner"],
    )
    return Record(int(row["id"]), np.asarray(row["vector"], dtype=np.float32), attributes)
