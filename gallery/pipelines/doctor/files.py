"""Files of pictures: the original as it was taken in, and the sizes made of it."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from gallery.models import Image, Job
from gallery.pipelines.doctor.findings import Examination, Finding, Step
from gallery.storage import READERS
from gallery.uploads.ingest import upload_limits
from mlcore.errors import ContextVisionError, ImageRejectedError
from mlcore.i18n import Message
from mlcore.imaging.sandbox import get_decoder
from mlcore.layouts import open_source
from mlcore.layouts.options import chosen

BATCH = 200
"""Pictures looked at together; only the originals of what is to be mended are held in memory."""
_WEBP_HEAD = 12
"""Bytes: RIFF, the size of what follows, WEBP."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is wrong with the files of one picture."""

    image: Image
    original: str
    """Code of a message, or nothing."""
    broken: list[str]
    """Names of sizes that are missing or damaged."""


def check_files(examination: Examination, after: int) -> Iterator[Step]:
    """Compare originals with their rows, and look whether the sizes of pictures are whole."""
    images = Image.objects.select_related("job").order_by("pk")
    while batch := list(images.filter(pk__gt=after)[:BATCH]):
        after = batch[-1].pk
        with ThreadPoolExecutor(READERS) as readers:
            seen = list(readers.map(lambda image: _look(image, examination.thorough), batch))
        bad = [each for each in seen if each.original or each.broken]
        mended = _mend(bad) if examination.repairing else set()
        yield Step(after, [finding for each in bad for finding in _findings(each, mended)])


def _findings(seen: _Seen, mended: set[str]) -> Iterator[Finding]:
    image = seen.image
    if seen.original:
        name = str(image.file)
        yield Finding(Message.of(seen.original, id=image.pk, name=name), name in mended)
    for name in seen.broken:
        told = Message.of("doctor.rendition_broken", id=image.pk, name=name)
        yield Finding(told, name in mended)


def _look(image: Image, thorough: bool) -> _Seen:
    broken = [name for name in image.ingested_names if not _is_whole_webp(name)]
    return _Seen(image, _original(image, thorough), broken)


def _original(image: Image, thorough: bool) -> str:
    name = str(image.file)
    try:
        if default_storage.size(name) != image.bytes:
            return "doctor.original_damaged"
        if not thorough:
            return ""
        with default_storage.open(name) as file:
            digest = hashlib.sha256()
            while piece := file.read(1 << 20):
                digest.update(piece)
    except FileNotFoundError:
        return "doctor.original_missing"
    return "" if digest.hexdigest() == image.sha256 else "doctor.original_damaged"


def _is_whole_webp(name: str) -> bool:
    """Tell whether a file is as long as its own head says."""
    try:
        size = default_storage.size(name)
        with default_storage.open(name) as file:
            head = file.read(_WEBP_HEAD)
    except FileNotFoundError:
        return False
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return is_webp and size == 8 + int.from_bytes(head[4:8], "little")


def _mend(bad: Sequence[_Seen]) -> set[str]:
    """Bring originals back from where they came, make sizes again; return what is whole now."""
    mended = set(_bring_back([seen.image for seen in bad if seen.original]))
    for seen in bad:
        if seen.broken and (not seen.original or str(seen.image.file) in mended):
            mended.update(_make_sizes(seen.image))
    return mended


def _bring_back(images: Iterable[Image]) -> Iterator[str]:
    """Read lost originals from the sources of their imports, as far as these are still there."""
    lost: dict[Job, list[Image]] = defaultdict(list)
    for image in images:
        if image.job is not None and Path(image.job.params.get("path", "")).exists():
            lost[image.job].append(image)
    for job, of_job in lost.items():
        try:
            yield from _out_of(job, of_job)
        except ContextVisionError:
            continue  # another data set lies there now


def _out_of(job: Job, images: Sequence[Image]) -> Iterator[str]:
    wanted = {image.source: image for image in images}
    with open_source(Path(job.params["path"]), chosen=chosen(job.params)) as source:
        for record in source:
            image = wanted.get(record.name)
            if image is None:
                continue
            data = record.read()
            if hashlib.sha256(data).hexdigest() == image.sha256:
                yield default_storage.save(str(image.file), ContentFile(data))


def _make_sizes(image: Image) -> list[str]:
    with default_storage.open(str(image.file)) as file:
        data = file.read()
    [made] = get_decoder().prepare_all([(image.title, data)], limits=upload_limits())
    if isinstance(made, ImageRejectedError):
        return []
    files = zip(image.ingested_names, (made.display, made.thumbnail), strict=True)
    return [default_storage.save(name, ContentFile(content)) for name, content in files]
