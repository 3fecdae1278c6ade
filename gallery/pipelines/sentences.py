"""Captions and titles to vectors, a few seconds after they were written.

The database notes which pictures' sentences changed (:mod:`gallery.models.sentence_triggers`). One
worker at a time takes these notes, the newest first, so that what a person writes now does not wait
for a hundred thousand captions of an import; for each picture it compares what is said with the
digests of what was read, and reads what differs. A note goes in the transaction that stores what
came of it: a worker that dies loses no more than one batch.
"""

import logging
from collections.abc import Sequence

from django.conf import settings
from django.db import transaction

from gallery.jobs import shutdown
from gallery.models import SentenceChange, SentenceEmbedding, SentenceModel, SentenceReading
from gallery.models.sentence import Sentence, sentences_of
from gallery.vectors import updates
from mlcore.encoders.sentences import SentenceEncoder, shared_sentence_encoder
from mlcore.errors import ContextVisionError
from mlcore.i18n import Message
from mlcore.progress import Progress

logger = logging.getLogger(__name__)

PICTURES = 32
"""Pictures of a batch; with five captions each, about a second of work."""


def read_sentences(progress: Progress | None = None) -> int:
    """Bring the stored vectors to what captions and titles say now; return how many were made.

    Nothing is done where another worker is at it; the work ends early where ``progress`` says so,
    or the worker is told to stop: others see the notes that are left.

    Raises:
        ModelUnavailableError: the model of the settings cannot be had.
    """
    reading = SentenceReading.objects.take()
    if reading is None:
        return 0
    made = 0
    try:
        encoder = shared_sentence_encoder(
            settings.CONTEXTVISION_SENTENCE_MODEL, options=settings.CONTEXTVISION_RUNTIME_OPTIONS
        )
        model = SentenceModel.objects.for_encoder(encoder)
        reading.follow(model)
        while reading.beat() and not _is_to_end(progress):
            pictures = _changed_pictures()
            if not pictures:
                break
            made += _read(pictures, model, encoder)
            if progress:
                progress.report(0, 3, Message.of("stage.reading_sentences", count=made))
    finally:
        reading.end()
    return made


def _is_to_end(progress: Progress | None) -> bool:
    # A job asks first: it has to hand itself back.
    return bool(progress and progress.should_stop()) or shutdown.requested.is_set()


def read_first(progress: Progress) -> None:
    """Read what has changed before an index is built, so that it holds that too.

    Where the model cannot be had, the index is built all the same: pictures are found without it.
    """
    try:
        read_sentences(progress)
    except ContextVisionError as error:
        logger.warning("Captions and titles are not read: %s", error)


def _changed_pictures() -> list[int]:
    newest = SentenceChange.objects.order_by("-pk").values_list("image_id", flat=True)
    return list(dict.fromkeys(newest[: 8 * PICTURES]))[:PICTURES]


def _read(pictures: Sequence[int], model: SentenceModel, encoder: SentenceEncoder) -> int:
    # First the notes, then what is said: what is written in between leaves a note of its own.
    notes = SentenceChange.objects.filter(image_id__in=pictures)
    settled = list(notes.values_list("pk", flat=True))
    said = {(each.image_id, each.key): each for each in sentences_of(pictures)}
    rows = SentenceEmbedding.objects.of_model(model).filter(image_id__in=pictures)
    known = {
        (image_id, key): digest
        for image_id, key, digest in rows.values_list("image_id", "key", "digest")
    }
    new = [each for place, each in said.items() if known.get(place) != each.digest]
    gone = [
        Sentence(image_id, key, "")
        for (image_id, key), digest in known.items()
        if digest and (image_id, key) not in said
    ]
    vectors = encoder.encode_texts([each.text for each in new])
    with transaction.atomic():
        made = 0
        if new:
            made = SentenceEmbedding.objects.store(model, new, vectors)
        if gone:
            SentenceEmbedding.objects.retire(model, gone)
        SentenceChange.objects.filter(pk__in=settled).delete()
        if new or gone:
            transaction.on_commit(updates.sync_sentences)
    return made
