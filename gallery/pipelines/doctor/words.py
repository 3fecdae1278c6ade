"""Words of pictures, as full-text search finds them."""

from collections.abc import Iterator

from gallery import fulltext
from gallery.fulltext import upkeep
from gallery.pipelines.doctor.findings import Examination, Finding, Step
from mlcore.i18n import Message


def check_words(examination: Examination, after: int) -> Iterator[Step]:
    """Compare words with the records they were written from."""
    for last, stale in upkeep.stale(after):
        if examination.repairing and stale:
            fulltext.refresh(stale)
        yield Step(
            last,
            [
                Finding(Message.of("doctor.words_differ", id=pk), examination.repairing)
                for pk in stale
            ],
        )
