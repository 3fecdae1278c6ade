"""Files that belong to nothing: of work that was cut off, and of deletions in an outage."""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from gallery.examples import FOLDER as EXAMPLES
from gallery.models import Image, IndexVersion, Job
from gallery.pipelines.doctor.findings import Examination, Finding, Step
from gallery.uploads import resumable
from gallery.vectors.registry import BACKENDS
from mlcore.i18n import Message
from mlcore.index.files import TEMPORARY_PREFIX

SPARED = timedelta(days=1)
"""What was written within it may belong to work that is under way: files are written before the row
that names them."""
FEW = 100
"""Files of pictures that are removed without being asked, at least; see ``_orphans``."""

_PLACES = ("originals", "renditions")
_OURS = re.compile(r"(?P<sha256>[0-9a-f]{64})[.-]|\.tmp-")
"""What the gallery calls its files; whatever else lies there is left alone."""
_UPLOADED = re.compile(r"tmp\w{8}\.upload\b")
"""What Django calls the files that large uploads are put aside in."""
_FIGURES = re.compile(r"contextvision-metrics-(?P<process>\d+)-")
"""What a web server calls the folder of its figures (``contextvision_site/gunicorn.py``)."""
_AT_ONCE = 1_000
"""Names looked up in the database together."""


def check_leftovers(examination: Examination, after: int) -> Iterator[Step]:
    """Look for files that nothing names and that are older than ``SPARED``."""
    yield Step(0, list(_orphans(examination)))
    for name in _temporary_examples():
        yield Step(0, [_removed(examination, name, default_storage.delete)])
    for path in (*_on_this_machine(), *_strange_indexes()):
        yield Step(0, [_removed(examination, str(path), _remove)])
    if examination.repairing:
        resumable.remove_stale()


def _orphans(examination: Examination) -> Iterator[Finding]:
    """Name files that belong to no picture.

    By night no more are removed than a tenth of the pictures would have: so many were not left over
    one by one, but the database is not the one that they belong to.
    """
    names = orphaned_files()
    if examination.unasked and examination.repairing:
        most = max(FEW, Image.objects.count() // 10)
        first = list(islice(names, most + 1))
        if len(first) > most:
            yield Finding(Message.of("doctor.too_many_left_over", count=f"> {most}"))
            return
        names = iter(first)
    for name in names:
        yield _removed(examination, name, default_storage.delete)


def _removed(examination: Examination, name: str, remove: Callable[[str], object]) -> Finding:
    if examination.repairing:
        remove(name)
    return Finding(Message.of("doctor.left_over", name=name), examination.repairing)


def orphaned_files() -> Iterator[str]:
    """Find files that belong to no picture and are older than ``SPARED``; yield their names."""
    for place in _PLACES:
        for folder in _folders(place):
            names = default_storage.listdir(folder)[1]
            for start in range(0, len(names), _AT_ONCE):
                for name in _without_picture(names[start : start + _AT_ONCE]):
                    path = f"{folder}/{name}"
                    if _is_old(path):
                        yield path


def _is_old(name: str) -> bool:
    try:
        modified: datetime = default_storage.get_modified_time(name)
    except FileNotFoundError:
        return False  # it was a file on its way in, and is renamed by now
    return bool(modified < timezone.now() - SPARED)


def _folders(place: str) -> list[str]:
    try:
        return [f"{place}/{folder}" for folder in sorted(default_storage.listdir(place)[0])]
    except FileNotFoundError:
        return []  # nothing was ever uploaded


def _without_picture(names: Sequence[str]) -> Iterator[str]:
    ours = {name: match["sha256"] for name in names if (match := _OURS.match(name))}
    digests = {digest for digest in ours.values() if digest}
    known = set(Image.objects.filter(sha256__in=digests).values_list("sha256", flat=True))
    yield from (name for name, digest in ours.items() if digest not in known)


def _temporary_examples() -> Iterator[str]:
    try:
        names = default_storage.listdir(EXAMPLES)[1]
    except FileNotFoundError:
        return
    for name in names:
        if name.startswith(TEMPORARY_PREFIX) and _is_old(f"{EXAMPLES}/{name}"):
            yield f"{EXAMPLES}/{name}"


def _on_this_machine() -> Iterator[Path]:
    """Find what programs put aside for a moment and were killed before they removed it."""
    places = [
        *Path(settings.INDEX_DIR).glob(f"{TEMPORARY_PREFIX}*"),
        *Path(settings.MODELS_DIR).glob(f"{TEMPORARY_PREFIX}*"),
        *Path(settings.DATA_DIR).glob(".secret-*"),
    ]
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR or tempfile.gettempdir())
    for path in folder.iterdir():
        figures = _FIGURES.match(path.name)
        if _UPLOADED.match(path.name) or (figures and not _runs(int(figures["process"]))):
            places.append(path)
    yield from (path for path in places if _is_ours_and_old(path))


def _is_ours_and_old(path: Path) -> bool:
    try:
        inside = path.iterdir() if path.is_dir() and not path.is_symlink() else ()
        states = [each.lstat() for each in (path, *inside)]
    except FileNotFoundError:
        return False
    newest: float = max(state.st_mtime for state in states)
    return states[0].st_uid == os.getuid() and newest < time.time() - SPARED.total_seconds()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _strange_indexes() -> Iterator[Path]:
    """Find folders of indexes that no row names, as of a build that died right before its end."""
    root = Path(settings.INDEX_DIR)
    if not root.is_dir() or Job.objects.filling_indexes().exists():
        return
    named = set(IndexVersion.objects.filter(store__in=BACKENDS).values_list("location", flat=True))
    for path in root.iterdir():
        is_index = re.fullmatch(r"[0-9a-f]{32}", path.name) and path.name not in named
        if is_index and _is_ours_and_old(path):
            yield path


def _remove(name: str) -> None:
    path = Path(name)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
