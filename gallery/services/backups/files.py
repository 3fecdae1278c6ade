"""Pictures and models as objects of a repository, and back."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from gallery.models import Image
from gallery.services.backups.repository import BackupError, Repository, told
from gallery.services.backups.tables import rows_of
from gallery.storage import READERS

Counted = Callable[[int], None]
"""Told how many files were done."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file of a picture."""

    picture: int
    name: str
    sha256: str = ""
    bytes: int = 0
    """Both are known of originals alone."""


def keep_pictures(
    repository: Repository,
    contents: dict[str, Any],
    former: dict[str, Any] | None,
    counted: Counted,
) -> dict[str, Any]:
    """Keep the files of all pictures whose rows were kept.

    What the backup before holds under the same name is not read again, for a picture's file never
    changes. Returns the ``segments`` of the list of files; what could not be kept (``faults``), the
    pictures that were ``deleted`` since their rows were read, how many ``files`` there are and how
    many of them are ``new``.
    """
    before = dict(former["media"]["segments"]) if former else {}
    segments: list[list[Any]] = []
    faults: list[dict[str, str]] = []
    deleted: set[int] = set()
    files = new = 0
    with ThreadPoolExecutor(READERS) as threads:
        for number, rows in rows_of(repository, contents, Image._meta.db_table):
            lines = repository.lines(before[number]) if number in before else ()
            known = {entry["name"]: entry for entry in lines}
            wanted = [file for row in rows for file in _files(row)]
            done = list(threads.map(partial(_keep_file, repository, known), wanted))
            kept = [entry for entry in done if "why" not in entry]
            pairs = zip(wanted, done, strict=True)
            pairs = zip(wanted, done, strict=True)
            lost = [(file, entry) for file, entry in pairs if "why" in entry]
            lacking = {file.picture for file, _ in lost}
            gone = lacking - set(Image.objects.filter(pk__in=lacking).values_list("pk", flat=True))
            deleted |= gone
            faults += [entry for file, entry in lost if file.picture not in gone]
            # Two threads may have kept the same bytes at once.
            new += len({entry["sha256"] for entry in kept if entry.pop("is_new")})
            files += len(kept)
            segments.append([number, repository.put_lines(kept).digest])
            counted(len(wanted))
    return {
        "segments": segments,
        "files": files,
        "new": new,
        "faults": faults,
        "deleted": sorted(deleted),
    }


def _files(row: dict[str, Any]) -> list[_Wanted]:
    """Name what was made when the picture came in; other sizes are made when they are asked for."""
    picture = Image(sha256=row["sha256"])
    original = _Wanted(row["id"], row["file"], row["sha256"], row["bytes"])
    return [original, *(_Wanted(row["id"], name) for name in picture.ingested_names)]


def _keep_file(
    repository: Repository, known: dict[str, dict[str, Any]], file: _Wanted
) -> dict[str, Any]:
    entry = known.get(file.name)
    if entry is None and file.sha256:
        entry = {"name": file.name, "sha256": file.sha256, "bytes": file.bytes}
    if entry is not None and repository.holds(entry["sha256"], entry["bytes"]):
        return {**entry, "is_new": False}
    try:
        with default_storage.open(file.name) as source:
            stored = repository.put(source)
    except FileNotFoundError:
        return {"name": file.name, "why": "missing"}
    if file.sha256 and stored.digest != file.sha256:
        return {"name": file.name, "why": "damaged"}
    found = {"name": file.name, "sha256": stored.digest, "bytes": stored.bytes}
    return {**found, "is_new": stored.is_new}


def bring_back_pictures(repository: Repository, contents: dict[str, Any], counted: Counted) -> None:
    """Write the files of pictures to where this installation keeps them."""

    def write(entry: dict[str, Any]) -> None:
        default_storage.save(entry["name"], ContentFile(repository.read(entry["sha256"])))

    with ThreadPoolExecutor(READERS) as threads:
        for _, digest in contents["media"]["segments"]:
            entries = list(repository.lines(digest))
            with told(Path(settings.MEDIA_ROOT)):
                for _ in threads.map(write, entries):
                    counted(1)


def keep_models(repository: Repository) -> dict[str, Any]:
    """Keep the files of all models: trained here, imported, and those that the hub's library keeps.

    What begins with a dot is left out: compiled networks, locks, and what is being written.
    """
    root = Path(settings.MODELS_DIR)
    files: list[dict[str, Any]] = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if any(part.startswith(".") for part in name.parts):
            continue
        if path.is_symlink():  # the hub's library names each file by links
            files.append({"name": str(name), "link": str(path.readlink())})
        elif path.is_file():
            stored = repository.put_file(path)
            entry = {"name": str(name), "sha256": stored.digest, "bytes": stored.bytes}
            files.append(entry)
    return {"root": str(root), "files": files}


def bring_back_models(repository: Repository, contents: dict[str, Any]) -> None:
    """Write the files of models below the folder where models are here."""
    root = Path(settings.MODELS_DIR)
    for entry in contents["models"]["files"]:
        target = _inside(root, entry["name"])
        if "link" not in entry:
            repository.copy_to(entry["sha256"], target)
        elif not target.is_symlink():
            _inside(root, str(Path(entry["name"]).parent / entry["link"]))
            with told(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(entry["link"])


def _inside(root: Path, name: str) -> Path:
    """Return the place of a file, which no name leads out of the folder.

    Raises:
        BackupError: it would.
    """
    place = Path(os.path.normpath(root / name))
    if not place.is_relative_to(root):
        raise BackupError("backup.damaged", object=name)
    return place
