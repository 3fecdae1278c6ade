"""Imports of what lies on the server, or has arrived as an archive."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from gallery.models import Job, ResumableUpload
from gallery.services import jobs
from gallery.uploads.import_options import given
from gallery.uploads.items import Destination
from mlcore.errors import ContextVisionError
from mlcore.layouts import is_archive
from mlcore.layouts.files import display_name, is_hidden

ON_THE_SERVER = "gallery.add_syncsource"
"""What somebody has to be allowed who imports what he did not upload."""


class NoSuchSourceError(ContextVisionError):
    """Nothing of this name lies where imports may come from."""


@dataclass(frozen=True, slots=True)
class ImportSource:
    """What can be imported from a page or by a program, which never learn where it lies."""

    key: str
    """Names it: its path below the folder of imports, or the id of an upload."""
    name: str
    """For people."""
    path: Path
    upload: ResumableUpload | None = None


def import_sources(user: User) -> list[ImportSource]:
    """List what lies at the top of the folder of imports, for those who may follow sources, and
    this person's archives, newest first, that are still kept."""
    on_the_server = _on_the_server() if user.has_perm(ON_THE_SERVER) else ()
    return [*on_the_server, *_uploaded(user)]


def find_source(key: str, user: User) -> ImportSource:
    """Return what a key names; one that leads out of the folder, over a link too, names nothing.

    Raises:
        NoSuchSourceError: there is no such thing, or it is not this person's to import.
    """
    for source in _uploaded(user):
        if source.key == key:
            return source
    root = Path(settings.IMPORT_DIR).resolve()
    path = (root / key).resolve() if key and "\0" not in key else root
    may = user.has_perm(ON_THE_SERVER)
    if not may or path == root or not path.is_relative_to(root) or not path.exists():
        raise NoSuchSourceError("import.no_such_source", source=key)
    return ImportSource(key, display_name(path.relative_to(root).as_posix()), path)


def start_import(
    source: ImportSource,
    destination: Destination,
    options: Mapping[str, Any],
    *,
    captions: Sequence[str] = (),
    captions_by_name: Mapping[str, Sequence[str]] | None = None,
) -> Job:
    """Queue an import, or a look at what it would read.

    ``options`` are those of :data:`gallery.uploads.import_options.IMPORT_OPTIONS`, by name. An
    archive that was uploaded is kept for a while: it may be looked at first, and failures retried.
    """
    asked = given(options)
    params = {
        "source": source.key,
        "path": str(source.path),
        "collection": destination.collection.name if destination.collection else "",
        "tags": [tag.name for tag in destination.tags],
        "visibility": destination.visibility,
        "groups": [group.name for group in destination.groups],
        "user": destination.owner.pk if destination.owner else 0,
        "captions": list(captions),
        "captions_by_name": {name: list(lines) for name, lines in (captions_by_name or {}).items()},
        **asked,
    }
    # Asked twice, because the answer was lost, it is imported once.
    work = "look" if asked.get("dry_run") else "file"
    key = f"{work} {source.upload.pk.hex}" if source.upload else ""
    return jobs.start(Job.Kind.IMPORT, params, user=destination.uploader, key=key)


def source_of(upload: ResumableUpload) -> ImportSource:
    """Return an upload as what can be imported."""
    return ImportSource(str(upload.pk), upload.name, upload.path, upload)


def _on_the_server() -> Iterator[ImportSource]:
    root = Path(settings.IMPORT_DIR)
    if not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        if not is_hidden(path.name) and not path.is_symlink():
            yield ImportSource(path.name, display_name(path.name), path)


def _uploaded(user: User) -> Iterator[ImportSource]:
    for upload in ResumableUpload.objects.filter(owner=user):
        if upload.path.is_file() and upload.is_complete and is_archive(upload.path):
            yield source_of(upload)
