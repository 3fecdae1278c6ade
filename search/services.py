"""Answers a query: encode, compose, look up, fetch the records that this person may see."""

import time
from dataclasses import dataclass, field

from gallery.models import Image
from gallery.selectors import ImageFilter, Person, matching_ids, stored_vectors, visible_images
from gallery.uploads import query_limits
from mlcore.config import FloatMatrix
from mlcore.decoding import get_decoder
from mlcore.errors import ContextVisionError, InvalidQueryError
from mlcore.index import Hit
from mlcore.query import QueryPart, compose_query, normalise_text
from search.engine import SearchEngine, get_engine

SPARE = 16
"""Hits asked for beyond a page, for those that turn out deleted or hidden."""
LESS = -0.5
"""Weight of what is to be avoided: it steers away without becoming the query itself."""
SCORE_DIGITS = 3
"""More digits would let a hidden picture's vector be worked out by many queries."""


class UnknownImageError(ContextVisionError):
    """A picture to search by does not exist, or is not for this person to see."""


@dataclass(frozen=True, slots=True)
class QueryImage:
    """The bytes of an example picture, as they arrived."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is asked. At least one of text, image and like must be there."""

    text: str = ""
    image: QueryImage | None = None
    like: tuple[int, ...] = ()
    """Ids of pictures to find more of."""
    unlike: tuple[int, ...] = ()
    """Ids of pictures to find less of."""
    without: str = ""
    """Words for what should not be in the pictures."""
    text_weight: float = 0.5
    """Share of the words, 0 to 1, where words and pictures are both given."""
    where: ImageFilter = field(default_factory=ImageFilter)
    limit: int = 24
    offset: int = 0

    def __bool__(self) -> bool:
        return bool(self.text or self.image or self.like)


@dataclass(frozen=True, slots=True)
class SearchResult:
    image: Image
    score: float
    """Cosine similarity, -1 to 1. Words against pictures score about 0.2 to 0.4, pictures against
    pictures up to 1: the two cannot be compared."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of an answer, and what it was made with."""

    results: list[SearchResult]
    has_next: bool
    engine: SearchEngine
    timing_ms: dict[str, float]
    notices: list[str]
    """What the person should know about the answer, in words."""


def search_images(query: SearchQuery, *, user: Person) -> SearchPage:
    """Find the pictures that mean what the query says.

    Raises:
        InvalidQueryError: nothing is asked for, or its parts cancel out.
        UnknownImageError: a picture named by its id is not there for this person.
        ImageRejectedError: the example picture cannot be used.
        NoActiveIndexError, BusyError: the search cannot answer now.
    """
    if not query:
        raise InvalidQueryError("Nothing to search for: give some words, a picture, or both.")
    watch = _Stopwatch()
    engine = get_engine()
    notices = [_impairment(engine, user)] if engine.warning else []
    vector = _query_vector(query, engine, user, notices)
    watch.lap("encode")
    # More like a picture means others than that picture.
    left_out = {*query.like, *query.unlike}
    hits = _visible_hits(query, engine, vector, user, left_out)
    watch.lap("lookup")
    page = hits[query.offset : query.offset + query.limit]
    images = visible_images([hit.image_id for hit in page], user)
    results = [
        SearchResult(images[hit.image_id], round(hit.score, SCORE_DIGITS))
        for hit in page
        if hit.image_id in images
    ]
    watch.lap("records")
    return SearchPage(
        results=results,
        has_next=len(hits) > query.offset + query.limit,
        engine=engine,
        timing_ms=watch.laps(),
        notices=notices,
    )


def _impairment(engine: SearchEngine, user: Person) -> str:
    """Tell everybody that something is wrong, and staff what: it may name folders."""
    if user is not None and user.is_staff:
        return engine.warning
    return (
        "The index is being repaired. Until then searches are answered from the stored vectors or "
        "by the index before it."
    )


def _query_vector(
    query: SearchQuery, engine: SearchEngine, user: Person, notices: list[str]
) -> FloatMatrix:
    parts: list[QueryPart] = []
    text = normalise_text(query.text)
    without = normalise_text(query.without)
    for words in (text, without):
        if words and engine.encoder.is_truncated(words):
            notices.append("The text is longer than the model reads; its end was left out.")
    sentences = [(words, sign) for words, sign in ((text, 1.0), (without, LESS)) if words]
    if sentences:
        with engine.encoding() as encoder:
            vectors = encoder.encode_texts([words for words, _ in sentences])
        for (_, sign), vector in zip(sentences, vectors, strict=True):
            parts.append(QueryPart(vector[None, :], sign, "text"))
    pictures = _picture_parts(query, engine, user)
    if text and pictures:
        parts = [_weighted(part, query.text_weight) for part in parts]
        pictures = [_weighted(part, 1.0 - query.text_weight) for part in pictures]
    return compose_query([*parts, *pictures], gallery=engine.sample)


def _weighted(part: QueryPart, share: float) -> QueryPart:
    return QueryPart(part.vector, part.weight * share, part.kind)


def _picture_parts(query: SearchQuery, engine: SearchEngine, user: Person) -> list[QueryPart]:
    parts: list[QueryPart] = []
    if query.image is not None:
        square = get_decoder().square(
            query.image.data,
            name=query.image.name,
            limits=query_limits(),
            side=engine.encoder.image_size,
        )
        with engine.encoding() as encoder:
            parts.append(QueryPart(encoder.encode_images([square]), 1.0, "image"))
    wanted = [*query.like, *query.unlike]
    if not wanted:
        return parts
    visible = visible_images(wanted, user)
    vectors = stored_vectors(wanted, engine.version.model_version)
    for pk in wanted:
        if pk not in visible:
            raise UnknownImageError(f"There is no picture {pk}.")
        if pk not in vectors:
            raise UnknownImageError(
                f"Picture {pk} has not been embedded yet; it can be used in a moment."
            )
    parts += [QueryPart(vectors[pk], 1.0, "image") for pk in query.like]
    parts += [QueryPart(vectors[pk], LESS, "image") for pk in query.unlike]
    return parts


def _visible_hits(
    query: SearchQuery,
    engine: SearchEngine,
    vector: FloatMatrix,
    user: Person,
    left_out: set[int],
) -> list[Hit]:
    """Return the hits of this page and those before it, and one more if there is one.

    The index knows nothing of deletions and permissions, so more is asked for until enough hits
    have passed the database.
    """
    wanted = query.offset + query.limit + 1
    allowed = matching_ids(query.where, user) if query.where else None
    k = wanted + len(left_out) + SPARE
    while True:
        hits = engine.search(vector, k, allowed_ids=allowed)
        ids = [hit.image_id for hit in hits if hit.image_id not in left_out]
        seen = set(Image.objects.visible_to(user).filter(pk__in=ids).values_list("pk", flat=True))
        visible = [hit for hit in hits if hit.image_id in seen]
        if len(visible) >= wanted or len(hits) < k:
            return visible[:wanted]
        k *= 4


class _Stopwatch:
    """Milliseconds between laps, and in all."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps[name] = round((now - self._last) * 1000, 2)
        self._last = now

    def laps(self) -> dict[str, float]:
        return {**self._laps, "total": round((self._last - self._start) * 1000, 2)}
