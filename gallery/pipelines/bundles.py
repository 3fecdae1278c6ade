"""The file in which a model travels with its index: a zip whose every byte is accounted for.

Members are stored, not compressed: weights and vectors do not shrink, and what is unpacked is then
never larger than the file. ``bundle.json`` says what the bundle is and gives the size and sha256 of
every other member.
"""

import hashlib
import json
import shutil
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from mlcore.errors import ContextVisionError

CONTENTS = "bundle.json"
PICTURES = "pictures.jsonl"
QUERY_SETS = "query_sets.json"
MODEL = "model"
INDEX = "index"
CAPTIONS = "captions"
SENTENCES = "sentences.jsonl"

FORMAT = 1
"""Version of the layout; a bundle of another one is refused."""

MODEL_SUFFIXES = frozenset({".safetensors", ".json", ".jsonl", ".txt", ".md"})
"""What belongs to a model; anything else beside it, such as a pickle, does not travel."""

_MAX_CONTENTS = 64 * 1024 * 1024
"""Bytes of ``bundle.json`` and of the query sets; far more than any has."""

_CHUNK = 1024 * 1024


class BundleError(ContextVisionError):
    """A bundle cannot be written, is damaged, or is not one that this version reads."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose every member was compared with its sha256."""

    path: Path
    about: dict[str, Any]
    """``model`` and ``index``: what the rows of the database said."""
    members: tuple[str, ...]

    def json(self, name: str) -> Any:
        with zipfile.ZipFile(self.path) as archive:
            return _parsed(archive.read(name), name)

    def pictures(self) -> dict[int, str]:
        """The pictures of the index: id to sha256 of the file."""
        with zipfile.ZipFile(self.path) as archive, archive.open(PICTURES) as lines:
            try:
                return {int(row["id"]): str(row["sha256"]) for row in map(json.loads, lines)}
            except (ValueError, KeyError, TypeError) as error:
                raise _malformed(PICTURES) from error

    def sentences(self) -> list[tuple[int, str]]:
        """What each row of the index of captions and titles is: the picture's id, and the digest of
        what was said."""
        with zipfile.ZipFile(self.path) as archive, archive.open(SENTENCES) as lines:
            try:
                return [(int(row["id"]), str(row["digest"])) for row in map(json.loads, lines)]
            except (ValueError, KeyError, TypeError) as error:
                raise _malformed(SENTENCES) from error

    def unpack(self, folder: str, target: Path) -> None:
        """Write the members of one folder into ``target``, which is made."""
        target.mkdir(parents=True)
        with zipfile.ZipFile(self.path) as archive:
            for name in self.members:
                path = PurePosixPath(name)
                if path.parent == PurePosixPath(folder):
                    with archive.open(name) as source, (target / path.name).open("wb") as sink:
                        shutil.copyfileobj(source, sink, _CHUNK)


def write_bundle(
    path: Path,
    *,
    about: Mapping[str, Any],
    model: Path,
    index: Path,
    pictures: Iterable[tuple[int, str]],
    query_sets: object,
    sentences: Iterable[tuple[int, str]] | None = None,
) -> None:
    """Write a bundle, whole or not at all.

    Args:
        path: the file to make; must not exist.
        about: what the rows of model and index say, as JSON values.
        model: folder of the model's files.
        index: folder of the index's files.
        pictures: id and sha256 of every picture in the index.
        query_sets: JSON values.
        sentences: of each row of the index of captions and titles, which is in a folder of the
            index's, the picture and the digest of what was said; None where there is no such index.

    Raises:
        BundleError: the file exists or cannot be written.
    """
    if path.exists():
        raise BundleError("bundle.exists", path=str(path))
    partial = path.with_name(f".tmp-{path.name}-{uuid.uuid4().hex}")
    members: dict[str, dict[str, Any]] = {}
    try:
        with zipfile.ZipFile(partial, "x", zipfile.ZIP_STORED, allowZip64=True) as archive:
            folders = [(model, MODEL), (index, INDEX)]
            if sentences is not None:
                folders.append((index / CAPTIONS, CAPTIONS))
                lines = (_line({"id": pk, "digest": digest}) for pk, digest in sentences)
                members[SENTENCES] = _store(archive, SENTENCES, lines)
            for folder, name in folders:
                for file in sorted(folder.iterdir()):  # a hub's cache holds links to files
                    if file.is_file() and (name != MODEL or file.suffix in MODEL_SUFFIXES):
                        member = f"{name}/{file.name}"
                        members[member] = _store(archive, member, _chunks(file))
            lines = (_line({"id": pk, "sha256": sha256}) for pk, sha256 in pictures)
            members[PICTURES] = _store(archive, PICTURES, lines)
            members[QUERY_SETS] = _store(archive, QUERY_SETS, [_dump(query_sets)])
            contents = {"format": FORMAT, **about, "members": members}
            _store(archive, CONTENTS, [_dump(contents)])
        verify_bundle(partial)
        partial.rename(path)
    except OSError as error:
        why = error.strerror or str(error)
        raise BundleError("bundle.cannot_be_written", path=str(path), why=why) from error
    finally:
        partial.unlink(missing_ok=True)


def verify_bundle(path: Path) -> Bundle:
    """Read a bundle through and compare every member with what the bundle says of it.

    Raises:
        BundleError: it is not a bundle, of another version, damaged, or not made like one.
    """
    with _opened(path) as archive:
        listed = archive.infolist()
        names = [info.filename for info in listed]
        if CONTENTS not in names:
            raise BundleError("bundle.no_contents", path=str(path), member=CONTENTS)
        for info in listed:
            _check_member(info)
        if len(set(names)) != len(names):
            raise BundleError("bundle.named_twice", path=str(path))
        contents = _parsed(_small(archive, CONTENTS), CONTENTS)
        if not isinstance(contents, dict) or contents.get("format") != FORMAT:
            found = contents.get("format") if isinstance(contents, dict) else None
            raise BundleError(
                "bundle.other_format", path=str(path), found=repr(found), known=FORMAT
            )
        members = contents.get("members")
        if not isinstance(members, dict) or set(members) != set(names) - {CONTENTS}:
            raise BundleError("bundle.other_members", path=str(path))
        for name in (PICTURES, QUERY_SETS):
            if name not in members:
                raise BundleError("bundle.lacks", path=str(path), member=name)
        for name, expected in members.items():
            if _measure(archive, name) != expected:
                raise BundleError("bundle.damaged", path=str(path), member=name)
    about = {key: value for key, value in contents.items() if key not in ("format", "members")}
    return Bundle(path, about, tuple(members))


def _check_member(info: zipfile.ZipInfo) -> None:
    """Refuse whatever this module never writes, above all a path that leads elsewhere."""
    path = PurePosixPath(info.filename)
    placed = len(path.parts) == 1 or (
        len(path.parts) == 2 and path.parts[0] in (MODEL, INDEX, CAPTIONS)
    )
    plain = str(path) == info.filename and ".." not in path.parts and "\\" not in info.filename
    if not placed or not plain or path.is_absolute() or path.name.startswith("."):
        raise BundleError("bundle.bad_name", member=repr(info.filename))
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 0x1:
        raise BundleError("bundle.compressed", member=info.filename)
    if path.parts[0] == MODEL and path.suffix not in MODEL_SUFFIXES:
        raise BundleError("bundle.not_of_a_model", member=info.filename)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except OSError as error:
        why = error.strerror or str(error)
        raise BundleError("bundle.cannot_be_read", path=str(path), why=why) from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise BundleError("bundle.is_none", path=str(path), why=str(error)) from error


def _store(archive: zipfile.ZipFile, name: str, chunks: Iterable[bytes]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    # One date for all, so that equal contents make equal files.
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o644 << 16
    with archive.open(info, "w", force_zip64=True) as sink:
        for chunk in chunks:
            sink.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            yield chunk


def _measure(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    stream: BinaryIO
    digest, size = hashlib.sha256(), 0
    with archive.open(name) as stream:  # type: ignore[assignment]  # IO[bytes] is one
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _small(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _MAX_CONTENTS:
        raise _malformed(name)
    return archive.read(name)


def _parsed(data: bytes, name: str) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise _malformed(name) from error


def _malformed(name: str) -> BundleError:
    return BundleError("bundle.malformed", member=name)


def _line(value: object) -> bytes:
    return (json.dumps(value) + "\n").encode()


def _dump(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
