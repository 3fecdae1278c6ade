"""Turns a query into what the kinds of evidence are compared with: vectors and words."""

from collections.abc import Mapping, Sequence

from PIL.Image import Image as Picture

from gallery import fulltext
from gallery.access import Person
from gallery.examples import read_example
from gallery.selectors import stored_vectors, visible_images
from gallery.uploads.ingest import query_limits
from mlcore.config import FloatMatrix
from mlcore.errors import ContextVisionError, InvalidQueryError
from mlcore.i18n import Message
from mlcore.imaging.sandbox import get_decoder
from mlcore.query import QueryPart, compose_query, normalise_text
from search.engine import SearchEngine
from search.query import GalleryPicture, KeptExample, Part, QueryImage, SearchQuery, Subject, Words
from search.ranking import Asked
from search.same import Example

MOSTLY = 0.5
"""Share of tokens that a model does not know, above which it cannot read a text."""


class UnknownImageError(ContextVisionError):
    """A picture to search by does not exist, or is not for this person to see."""


def encode(query: SearchQuery, engine: SearchEngine, user: Person, notices: list[Message]) -> Asked:
    """Encode what is asked; what should be known about it is added to the notices.

    Raises:
        InvalidQueryError: the parts cancel out.
        UnknownImageError: a picture named by its id is not there for this person.
        ImageRejectedError: the example picture cannot be used.
        ExampleGoneError: an example picture that was sent before is no longer kept.
        BusyError: too many queries are waiting.
    """
    parts = query.parts
    if not query.wants_parts:
        parts = (*parts, *_spoken(query))
    read = [part for part in parts if not part.has_words or _is_read(part, engine)]
    if len(read) < len(parts):
        notices.append(Message("search.unknown_words"))
    example = _example(parts, engine)
    texts = [normalise_text(part.subject.text) for part in read if isinstance(part.subject, Words)]
    if any(engine.encoder.is_truncated(text) for text in texts):
        notices.append(Message("search.text_cut"))
    return Asked(
        picture=_picture_vector(read, texts, engine, user, example),
        sentence=_sentence_vector(parts, engine),
        words=fulltext.ask(query.marked, phrases=query.phrases),
        by_example=any(not part.has_words for part in read if part.wanted),
        share_of_words=_share_of_words(query),
        example=example,
    )


def middle_of(image: QueryImage, engine: SearchEngine) -> Picture:
    """Return what is looked at of an example picture; the model looks at its centre square.

    Raises ImageRejectedError where it cannot be used.
    """
    return get_decoder().middle(
        image.data, name=image.name, limits=query_limits(), side=engine.encoder.image_size
    )


def gallery_ids(parts: Sequence[Part]) -> list[int]:
    """Return the ids of the pictures of the gallery that are searched with."""
    subjects = (part.subject for part in parts)
    return [subject.pk for subject in subjects if isinstance(subject, GalleryPicture)]


def _is_read(part: Part, engine: SearchEngine) -> bool:
    return (
        isinstance(part.subject, Words)
        and engine.encoder.unknown_share(part.subject.text) <= MOSTLY
    )


def _picture_vector(
    parts: list[Part],
    texts: list[str],
    engine: SearchEngine,
    user: Person,
    example: Example | None,
) -> FloatMatrix | None:
    if not any(part.wanted for part in parts):
        return None
    sentences = iter(engine.encode_texts(texts) if texts else ())
    stored = _stored_vectors(parts, engine, user)
    return compose_query(
        [
            QueryPart(next(sentences)[None, :], part.factor, "text")
            if isinstance(part.subject, Words)
            else QueryPart(
                example.vector
                if example and part.wanted
                else _vector_of(part.subject, engine, stored),
                part.factor,
                "image",
            )
            for part in parts
        ],
        gallery=engine.sample,
    )


def _spoken(query: SearchQuery) -> tuple[Part, ...]:
    """Read what must be written as something that is looked for, where nothing else is."""
    text = normalise_text(" ".join([*query.phrases, query.marked]))
    return (Part(Words(text)),) if text else ()


def _sentence_vector(asked: Sequence[Part], engine: SearchEngine) -> FloatMatrix | None:
    """Compose the words alone, as captions are compared with them."""
    parts = [part for part in asked if part.has_words]
    if not any(part.wanted for part in parts):
        return None
    texts = [normalise_text(part.subject.text) for part in parts if isinstance(part.subject, Words)]
    rows = engine.encode_questions(texts)
    if rows is None:
        return None
    try:
        return compose_query(
            [
                QueryPart(row[None, :], part.factor, "text")
                for row, part in zip(rows, parts, strict=True)
            ]
        )
    except InvalidQueryError:  # they cancel out, and a picture is what is left
        return None


def _share_of_words(query: SearchQuery) -> float:
    """Return how much the words count beside the pictures: 1 where both count alike, up to 2."""
    weights = {
        kind: sum(p.weight for p in query.parts if p.wanted and p.has_words is kind)
        for kind in (True, False)
    }
    total = sum(weights.values())
    return 2 * weights[True] / total if total and weights[False] else 1.0


def _example(parts: Sequence[Part], engine: SearchEngine) -> Example | None:
    """Read and encode the example picture, where it is all that is wanted."""
    match [part.subject for part in parts if part.wanted]:
        case [QueryImage() as image]:
            picture = middle_of(image, engine)
            return Example(picture, engine.encode_pictures([picture]))
        case [KeptExample(key)]:
            picture = _kept(key, engine)
            return Example(picture, engine.encode_pictures([picture], key), key)
    return None


def _vector_of(
    subject: Subject, engine: SearchEngine, stored: Mapping[int, FloatMatrix]
) -> FloatMatrix:
    match subject:
        case GalleryPicture(pk):
            return stored[pk]
        case QueryImage():
            return engine.encode_pictures([middle_of(subject, engine)])
        case KeptExample(key):
            return engine.encode_pictures([_kept(key, engine)], key)
    raise TypeError(f"{subject!r} is no picture.")


def _kept(key: str, engine: SearchEngine) -> Picture:
    return get_decoder().middle(
        read_example(key), name="example.png", side=engine.encoder.image_size
    )


def _stored_vectors(
    parts: list[Part], engine: SearchEngine, user: Person
) -> Mapping[int, FloatMatrix]:
    wanted = gallery_ids(parts)
    if not wanted:
        return {}
    visible = visible_images(wanted, user)
    vectors = stored_vectors(wanted, engine.version.model_version)
    for pk in wanted:
        if pk not in visible:
            raise UnknownImageError("search.no_picture", picture=str(pk))
        if pk not in vectors:
            raise UnknownImageError("search.not_embedded", picture=str(pk))
    return vectors
