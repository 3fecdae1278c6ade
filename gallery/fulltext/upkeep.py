"""Keeps the words of pictures as their records are.

Triggers of the database note every change (:mod:`.triggers`), whoever makes it. Those who change
what is written call :func:`refresh` at the end of their transaction, so that it can be found at
once; what they leave, and what was changed by other means, maintenance does some seconds later.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence

from django.db import connection, transaction

from gallery.fulltext.rows import WORD, counted, made_by, read_rows
from gallery.models import Image, ImageText, Lexeme, StaleText
from gallery.models.vectors import lock_writers
from mlcore.i18n import Message
from mlcore.progress import Progress
from mlcore.words import FIELDS

_LOCK = 0x436F6E5677
"""Number of the PostgreSQL advisory lock that one writer at a time holds: words are counted by what
changes, so two must not change one row at once."""
BATCH = 250
"""Pictures whose words are written together."""
NOTES_AT_ONCE = 2_000
"""Notes read together: a new picture has one for itself and for each of its captions and tags."""
AT_ONCE = 1_000
"""Pictures that whoever changes something waits for; the others take some seconds more."""
MOST_IN_A_TURN = 20_000
TURN = 2.0
"""Seconds of a worker's turn: it has to look after other things as well."""
ROWS_IN_STATEMENT = 300
"""Counts written by one statement."""

STAGE = Message("stage.words")
_COLUMNS = (*FIELDS, "lexemes", "made_by")


def refresh(ids: Sequence[int]) -> None:
    """Write the words of these pictures now, in the transaction that changed them; of more than
    :data:`AT_ONCE`, those of the first, and maintenance does the others."""
    for start in range(0, min(len(ids), AT_ONCE), BATCH):
        _write_noted(ids[start : start + BATCH])


def _write_noted(ids: Sequence[int]) -> None:
    with transaction.atomic():
        lock_writers(_LOCK)
        # These notes alone: another change of the same picture may come in meanwhile.
        seen = list(StaleText.objects.filter(image_id__in=ids).values_list("pk", flat=True))
        write(ids)
        StaleText.objects.filter(pk__in=seen).delete()


def catch_up(limit: int = AT_ONCE, *, seconds: float = 5.0) -> int:
    """Write the words of pictures that changed, the latest change first; return of how many.

    At most about ``limit`` pictures, and none is begun after ``seconds``.
    """
    until = time.monotonic() + seconds
    done = 0
    while done < limit and time.monotonic() < until and StaleText.objects.exists():
        notes = StaleText.objects.order_by("-pk").values_list("image_id", flat=True)
        ids = list(dict.fromkeys(notes[:NOTES_AT_ONCE]))[:BATCH]
        _write_noted(ids)
        done += len(ids)
    return done


def catch_up_all(progress: Progress) -> int:
    """Write the words of all pictures that changed; return of how many."""
    done = 0
    total = StaleText.objects.values("image_id").distinct().count()
    progress.report(0, total, STAGE)
    while count := catch_up(BATCH):
        done += count
        progress.report(done, max(total, done), STAGE)
        if progress.should_stop():
            break
    return done


def mark_all() -> None:
    """Note all pictures, and all words without a picture, as changed."""
    with connection.cursor() as cursor:
        for table, column in ((Image, "id"), (ImageText, "image_id")):
            cursor.execute(
                "INSERT INTO gallery_staletext (image_id) "  # noqa: S608
                f"SELECT {column} FROM {table._meta.db_table}"
            )


def mark_outdated() -> None:
    """Note the pictures whose words were cut by other rules, or for another language."""
    outdated = ImageText.objects.exclude(made_by=made_by()).values_list("image_id", flat=True)
    if outdated.exists():
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO gallery_staletext (image_id) "
                "SELECT image_id FROM gallery_imagetext WHERE made_by <> %s",
                [made_by()],
            )


_made_by_checked = ""


def keep_up() -> None:
    """Do a part of what is left to do; workers call it every few seconds."""
    global _made_by_checked
    if _made_by_checked != made_by():
        mark_outdated()
        _made_by_checked = made_by()
    catch_up(limit=MOST_IN_A_TURN, seconds=TURN)


def rebuild(progress: Progress) -> int:
    """Write the words of all pictures anew; return of how many."""
    with transaction.atomic():
        lock_writers(_LOCK)
        ImageText.objects.all().delete()
        Lexeme.objects.all().delete()
        StaleText.objects.all().delete()
        mark_all()
    return catch_up_all(progress)


def stale(after: int = 0) -> Iterator[tuple[int, list[int]]]:
    """Compare the words of pictures later than ``after`` with their records.

    Yields, for each batch, its highest id and the pictures whose words are not as their records
    are; those of which a change is noted are passed over.
    """
    for ids in _blocks(after):
        noted = set(StaleText.objects.filter(image_id__in=ids).values_list("image_id", flat=True))
        now = {row.image_id: _values(row) for row in read_rows(ids)}
        kept = {row.image_id: _values(row) for row in ImageText.objects.filter(pk__in=ids)}
        yield ids[-1], [pk for pk in ids if pk not in noted and now.get(pk) != kept.get(pk)]


def _blocks(seen: int) -> Iterator[list[int]]:
    """Yield ids of pictures, and of words without one, in order, some at a time."""
    while True:
        ids: set[int] = set()
        for model in (Image, ImageText):
            rows = model._default_manager.filter(pk__gt=seen).order_by("pk")
            ids.update(rows.values_list("pk", flat=True)[:BATCH])
        if not ids:
            return
        block = sorted(ids)[:BATCH]
        yield block
        seen = block[-1]


def write(ids: Sequence[int]) -> None:
    """Write the words of these pictures, and take out those of pictures that are gone."""
    now = {row.image_id: row for row in read_rows(ids)}
    former = {row.image_id: row for row in ImageText.objects.filter(pk__in=ids)}
    changed = [
        row for pk, row in now.items() if pk not in former or _values(row) != _values(former[pk])
    ]
    gone = [pk for pk in former if pk not in now]
    if not changed and not gone:
        return
    counts: Counter[str] = Counter()
    for row in changed:
        counts.update(counted(row))
    for pk in (*gone, *(row.image_id for row in changed if row.image_id in former)):
        counts.subtract(counted(former[pk]))
    ImageText.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["image"], update_fields=list(_COLUMNS)
    )
    ImageText.objects.filter(pk__in=gone).delete()
    _count({lexeme: number for lexeme, number in counts.items() if number})


def _values(row: ImageText) -> tuple[str, ...]:
    return tuple(getattr(row, name) for name in _COLUMNS)


def _count(changes: dict[str, int]) -> None:
    """Add to how many pictures hold each of these lexemes, and drop those that none holds."""
    rows = sorted(changes.items())
    with connection.cursor() as cursor:
        for start in range(0, len(rows), ROWS_IN_STATEMENT):
            some = rows[start : start + ROWS_IN_STATEMENT]
            places = ", ".join(["(%s, %s, %s)"] * len(some))
            cursor.execute(
                "INSERT INTO gallery_lexeme (text, backwards, documents) "  # noqa: S608
                f"VALUES {places} ON CONFLICT (text) DO UPDATE "
                "SET documents = gallery_lexeme.documents + excluded.documents",
                [
                    value
                    for lexeme, number in some
                    for value in (lexeme, _backwards(lexeme), number)
                ],
            )
    fallen = [lexeme for lexeme, number in rows if number < 0]
    Lexeme.objects.filter(text__in=fallen, documents__lte=0).delete()


def _backwards(lexeme: str) -> str:
    """Return the letters of a written word from its end, by which misspelled ones find it."""
    return lexeme.removeprefix(WORD)[::-1] if lexeme.startswith(WORD) else ""
