"""Answers a query: encode, compose, look up, fetch the records that this person may see."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from django.utils.translation import gettext as _
from PIL.Image import Image as Picture

from gallery.examples import ExampleGoneError, is_kept, keep_example, read_example
from gallery.models import Image
from gallery.selectors import Person, matching_ids, stored_vectors, visible_images, with_sentences
from gallery.uploads import query_limits
from mlcore.config import FloatMatrix
from mlcore.decoding import get_decoder
from mlcore.errors import ContextVisionError, InvalidQueryError
from mlcore.index import Hit
from mlcore.query import QueryPart, compose_query, normalise_text
from search.engine import SearchEngine, get_engine
from search.measures import observe_search
from search.query import (
    GalleryPicture,
    KeptExample,
    QueryImage,
    SearchQuery,
    Subject,
    Words,
)

SPARE = 4
"""Hits asked for beyond a page, for those that turn out deleted or hidden. More would cost every
search the time of their records; where they are not enough, the search looks again."""
SCORE_DIGITS = 3
"""More digits would let a hidden picture's vector be worked out by many queries."""


class UnknownImageError(ContextVisionError):
    """A picture to search by does not exist, or is not for this person to see."""


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
        ExampleGoneError: an example picture that was sent before is no longer kept.
        NoActiveIndexError, BusyError: the search cannot answer now.
    """
    if not query:
        raise InvalidQueryError(_("Nothing to search for: give some words, a picture, or both."))
    watch = _Stopwatch()
    engine = get_engine()
    notices = [_impairment(engine, user)] if engine.warning else []
    vector = _query_vector(query, engine, user, notices)
    watch.lap("encode")
    # More like a picture means others than that picture.
    left_out = set(_gallery_ids(query))
    hits, fetched = _visible_hits(query, engine, vector, user, left_out, notices)
    watch.lap("lookup")
    page = hits[query.offset : query.offset + query.limit]
    ids = [hit.image_id for hit in page]
    if fetched:
        images = with_sentences({pk: fetched[pk] for pk in ids})
    else:
        images = visible_images(ids, user)
    results = [
        SearchResult(images[hit.image_id], round(hit.score, SCORE_DIGITS))
        for hit in page
        if hit.image_id in images
    ]
    watch.lap("records")
    observe_search(watch.laps())
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
    return _(
        "The index is being repaired. Until then searches are answered from the stored vectors "
        "or by the index before it."
    )


def keep_picture(image: QueryImage) -> KeptExample:
    """Keep an example picture for a while, so that an address can name it.

    Raises:
        ImageRejectedError: it cannot be used.
        NoActiveIndexError: it is not known yet what the model would look at.
    """
    return KeptExample(keep_example(_square(image, get_engine())))


def _query_vector(
    query: SearchQuery, engine: SearchEngine, user: Person, notices: list[str]
) -> FloatMatrix:
    texts = [
        normalise_text(part.subject.text) for part in query.parts if isinstance(part.subject, Words)
    ]
    if any(engine.encoder.is_truncated(text) for text in texts):
        notices.append(_("The text is longer than the model reads; its end was left out."))
    sentences = iter(engine.encode_texts(texts) if texts else ())
    stored = _stored_vectors(query, engine, user)
    parts = [
        QueryPart(next(sentences)[None, :], part.factor, "text")
        if isinstance(part.subject, Words)
        else QueryPart(_picture_vector(part.subject, engine, stored), part.factor, "image")
        for part in query.parts
    ]
    return compose_query(parts, gallery=engine.sample)


def _picture_vector(
    subject: Subject, engine: SearchEngine, stored: Mapping[int, FloatMatrix]
) -> FloatMatrix:
    match subject:
        case GalleryPicture(pk):
            return stored[pk]
        case QueryImage():
            return engine.encode_picture(_square(subject, engine))
        case KeptExample(key):
            if not is_kept(key):  # its vector may be known longer than it should be
                raise ExampleGoneError
            return engine.encode_kept(key, partial(_kept_square, key, engine))
    raise TypeError(f"{subject!r} is no picture.")


def _square(image: QueryImage, engine: SearchEngine) -> Picture:
    return get_decoder().square(
        image.data, name=image.name, limits=query_limits(), side=engine.encoder.image_size
    )


def _kept_square(key: str, engine: SearchEngine) -> Picture:
    return get_decoder().square(
        read_example(key), name="example.png", side=engine.encoder.image_size
    )


def _gallery_ids(query: SearchQuery) -> list[int]:
    subjects = (part.subject for part in query.parts)
    return [subject.pk for subject in subjects if isinstance(subject, GalleryPicture)]


def _stored_vectors(
    query: SearchQuery, engine: SearchEngine, user: Person
) -> Mapping[int, FloatMatrix]:
    wanted = _gallery_ids(query)
    if not wanted:
        return {}
    visible = visible_images(wanted, user)
    vectors = stored_vectors(wanted, engine.version.model_version)
    for pk in wanted:
        if pk not in visible:
            raise UnknownImageError(_("There is no picture %(pk)s.") % {"pk": pk})
        if pk not in vectors:
            raise UnknownImageError(
                _("Picture %(pk)s has not been embedded yet; it can be used in a moment.")
                % {"pk": pk}
            )
    return vectors


def _visible_hits(
    query: SearchQuery,
    engine: SearchEngine,
    vector: FloatMatrix,
    user: Person,
    left_out: set[int],
    notices: list[str],
) -> tuple[list[Hit], dict[int, Image]]:
    """Return the hits of this page and those before it, and one more if there is one.

    With the records of a first page, since nearly all that is found is shown there.

    The index knows nothing of deletions and permissions, so more is asked for until enough hits
    have passed the database.
    """
    wanted = query.offset + query.limit + 1
    allowed = matching_ids(query.where, user) if query.where else None
    most = engine.index.most_hits
    k = wanted + len(left_out) + SPARE
    while True:
        k = min(k, most or k)
        hits = engine.search(vector, k, allowed_ids=allowed)
        ids = [hit.image_id for hit in hits if hit.image_id not in left_out]
        images = Image.objects.visible_to(user).filter(pk__in=ids)
        records: dict[int, Image] = {}
        if query.offset == 0:
            records = {image.pk: image for image in images}
            seen = set(records)
        else:
            seen = set(images.values_list("pk", flat=True))
        visible = [hit for hit in hits if hit.image_id in seen]
        if len(visible) >= wanted or len(hits) < k:
            return visible[:wanted], records
        if k == most:
            notices.append(
                _("Only the %(count)d nearest pictures were looked at; a filter brings others in.")
                % {"count": most}
            )
            return visible, records
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
