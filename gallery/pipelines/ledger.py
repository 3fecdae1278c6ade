"""The ledger of a source: what of its contents is new, and what became of each file."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from django.db import transaction

from gallery import audit
from gallery.models import Image, SyncedFile, SyncSource, VanishedPicture
from gallery.models.choices import Visibility
from gallery.models.sync import PATH_LENGTH
from gallery.uploads.items import IngestResult
from gallery.uploads.places import Contents
from mlcore.layouts import SourceRecord
from mlcore.layouts.listing import NOTHING
from mlcore.layouts.states import FileState

T = TypeVar("T")

_AT_ONCE = 500
"""Rows in one statement; SQLite takes so many values."""
_WRITTEN = (
    "container", "size", "stamp", "words", "sha256", "outcome", "reason", "image", "brought",
    "taken_at",
)  # fmt: skip


class _Row(NamedTuple):
    state: FileState
    words: str
    container: str


class Ledger:
    """What is known of a source's files, against what is in it now.

    A record is new to it while its row does not tell the same state of its file and the same that
    is said of it, so a pass that was interrupted goes on with what it had not come to.
    """

    def __init__(self, source: SyncSource, contents: Contents, *, again: bool = False) -> None:
        """``again`` where what was refused is to be tried once more."""
        self._source = source
        self._contents = contents
        self._again = again
        rows = source.files.values_list("path", "container", "size", "stamp", "words")
        if again:
            rows = rows.exclude(outcome=SyncedFile.Outcome.REFUSED)
        self._rows = {
            path: _Row(FileState(size, stamp), words, container)
            for path, container, size, stamp, words in rows.iterator(chunk_size=5_000)
        }
        self.fresh = {
            name: state
            for name, state in contents.files.items()
            if (row := self._rows.get(ledger_path(name))) is None or row.state != state
        }
        """Files that are new or have changed."""
        self.replaced = 0
        """Pictures whose file holds something else now."""
        self._noted: set[str] = set()
        self._words: dict[str, str] = {}
        self._met: dict[str, set[str]] = {}

    @property
    def is_new(self) -> bool:
        """Whether nothing has been taken in of the source yet."""
        return not self._rows

    def waits_for(self, growing: Iterable[str]) -> list[str]:
        """Name those of these files that were read for what they say of others: without them
        pictures would lose it."""
        listings = self._source.files.filter(outcome=SyncedFile.Outcome.LISTING)
        return [
            path
            for some in _groups([ledger_path(name) for name in growing])
            for path in listings.filter(path__in=some).values_list("path", flat=True)
        ]

    def leave(self, names: frozenset[str]) -> None:
        """Leave these files to a later pass."""
        self.fresh = {name: state for name, state in self.fresh.items() if name not in names}

    def wants(self, record: SourceRecord, listings: frozenset[str]) -> bool:
        """Tell whether a record is new, or something has changed that belongs to it.

        One whose file cannot be read has no state of its own; it is told again when one of the
        ``listings`` has changed.
        """
        place = record.files[0]
        if not place:
            return self.tells_all(listings)
        container, state = self._locate(place)
        if state is None:  # it came, or was written to, since the contents were listed
            return False
        path = ledger_path(place)
        if container:
            self._met.setdefault(container, set()).add(path)
        words = self._digest(record)
        row = self._rows.get(path)
        if row is not None and row.state == state and row.words == words:
            return False
        self._words[place] = words
        return True

    def tells_all(self, listings: frozenset[str]) -> bool:
        """Tell whether what cannot be read of these listings has to be told, for the first time
        or anew."""
        return self.is_new or self._again or not listings.isdisjoint(self.fresh)

    def settle(self, settled: Iterable[tuple[SourceRecord, IngestResult]]) -> None:
        """Note what became of a batch of records that were wanted."""
        rows: dict[str, SyncedFile] = {}
        for record, result in settled:
            place, *beside = record.files
            if not place:
                continue
            container, state = self._locate(place)
            assert state is not None  # noqa: S101  (such a record is not wanted)
            rows.update((row.path, row) for name in beside for row in self._read(name))
            row = self._row(place, state, _outcome(result))
            row.container = ledger_path(container)
            row.words = self._words.pop(place, "")
            row.sha256 = result.sha256
            row.reason = result.error
            row.image = result.image
            row.brought = result.created
            rows[row.path] = row
            self._noted.add(place)
        self._write(rows.values())

    def finish(self, listings: Iterable[str]) -> None:
        """Note the files that were read for what they say, and those that were not used."""
        self._write(row for name in (*listings, *self._met) for row in self._read(name))
        self._write(
            self._row(name, state, SyncedFile.Outcome.UNUSED)
            for name, state in self.fresh.items()
            if name not in self._noted
        )

    def strike(self) -> int:
        """Take out what is there no more, keep its pictures as vanished, and return how many."""
        there = set(map(ledger_path, self._contents.files))
        met = {ledger_path(name): paths for name, paths in self._met.items()}
        gone = []
        for path, row in self._rows.items():
            holder = row.container or path
            if holder in there:
                if row.container and path not in met.get(holder, {path}):
                    gone.append(path)  # its archive holds it no more
            elif not holder.startswith(self._contents.unread):
                gone.append(path)
        return sum(map(self._strike, _groups(gone)))

    def _strike(self, paths: Sequence[str]) -> int:
        with transaction.atomic():
            rows = self._source.files.filter(path__in=paths)
            with_picture = list(rows.exclude(image=None))
            rows.delete()
            return self._keep_vanished(with_picture, VanishedPicture.Why.GONE)

    def _locate(self, place: str) -> tuple[str, FileState | None]:
        """Return the archive or table that holds a record ("" where it is a file itself), and the
        state of the file that it lies in."""
        state = self._contents.files.get(place)
        if state is not None:
            return "", state
        for at, character in enumerate(place):
            if character in "/#" and (state := self._contents.files.get(place[:at])):
                return place[:at], state
        return "", None

    def _digest(self, record: SourceRecord) -> str:
        """Digest what is said of a picture, by listings and by what lies beside it; empty where
        that is nothing."""
        beside = [self._contents.files.get(name) for name in record.files[1:]]
        if not (record.captions or record.split or beside) and record.said == NOTHING:
            return ""
        said = repr((record.captions, record.split, record.said, beside))
        return hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=8).hexdigest()

    def _read(self, name: str) -> Iterator[SyncedFile]:
        """Make the row of a file that was read for what it says, where it is fresh."""
        if name in self.fresh and name not in self._noted:
            self._noted.add(name)
            yield self._row(name, self.fresh[name], SyncedFile.Outcome.LISTING)

    def _row(self, name: str, state: FileState, outcome: str) -> SyncedFile:
        path = ledger_path(name)
        return SyncedFile(
            source=self._source, path=path, size=state.size, stamp=state.stamp, outcome=outcome
        )

    def _write(self, rows: Iterable[SyncedFile]) -> None:
        for some in _groups(rows):
            self._write_some(some)

    def _write_some(self, rows: Sequence[SyncedFile]) -> None:
        images = {row.image_id for row in rows if row.image_id}
        paths = [row.path for row in rows]
        with transaction.atomic():
            replaced = list(self._source.files.filter(path__in=paths).exclude(image=None))
            mine = {row.image_id for row in rows if row.brought}
            for known in (self._source.files, self._source.vanished):
                brought = known.filter(image__in=images, brought=True)
                mine |= set(brought.values_list("image", flat=True))
            for row in rows:
                row.brought = row.image_id in mine
            SyncedFile.objects.bulk_create(
                rows,
                update_conflicts=True,
                unique_fields=["source", "path"],
                update_fields=_WRITTEN,
            )
            self.replaced += self._keep_vanished(replaced, VanishedPicture.Why.REPLACED)
            back = self._source.vanished.filter(image__in=images)
            hidden = list(back.filter(hidden=True).values_list("image", flat=True))
            self._show_again(hidden)
            back.delete()

    def _show_again(self, images: list[int]) -> None:
        """Only what everybody saw had been hidden."""
        changed = Image.objects.filter(pk__in=images).show_to(Visibility.PUBLIC)
        audit.record_shown(changed, Visibility.PUBLIC)

    def _keep_vanished(self, rows: Iterable[SyncedFile], why: VanishedPicture.Why) -> int:
        """Keep the pictures of former rows as vanished, unless the source has them elsewhere."""
        former = {row.image_id: row for row in rows if row.image_id}
        there = self._source.files.filter(image__in=list(former))
        for image in there.values_list("image", flat=True):
            former.pop(image, None)
        VanishedPicture.objects.bulk_create(
            (
                VanishedPicture(
                    source=self._source,
                    image_id=image,
                    path=row.path,
                    why=why,
                    brought=row.brought,
                )
                for image, row in former.items()
            ),
            ignore_conflicts=True,
        )
        return len(former)


def hide_vanished(source: SyncSource) -> int:
    """Make private what vanished from a source that brought it, and tell how many."""
    hidden = 0
    while images := list(source.vanished.to_hide().values_list("image", flat=True)[:_AT_ONCE]):
        with transaction.atomic():
            changed = Image.objects.filter(pk__in=images).show_to(Visibility.PRIVATE)
            audit.record_shown(changed, Visibility.PRIVATE)
            hidden += len(changed)
            source.vanished.filter(image__in=images).update(hidden=True)
    return hidden


def ledger_path(name: str) -> str:
    """Spell the name of a file so that any database keeps it, and no two names alike."""
    if name.isascii() and len(name) <= PATH_LENGTH:
        return name
    raw = os.fsencode(name)
    text = raw.decode("utf-8", "backslashreplace")
    if len(text) <= PATH_LENGTH:
        return text
    digest = hashlib.sha256(raw).hexdigest()
    return f"{text[: PATH_LENGTH - len(digest) - 1]}~{digest}"


def _outcome(result: IngestResult) -> str:
    if result.image is None:
        return SyncedFile.Outcome.REFUSED
    return SyncedFile.Outcome.ADDED if result.created else SyncedFile.Outcome.KNOWN


def _groups(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while some := list(islice(iterator, _AT_ONCE)):
        yield some
