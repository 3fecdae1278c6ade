"""Models that travel: into one file here, out of it on a machine that may have no network."""

import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings
from django.contrib.auth.models import User

from gallery.models import Image, ImageEmbedding, IndexVersion, ModelVersion, SavedQuerySet
from gallery.pipelines.bundles import (
    INDEX,
    MODEL,
    QUERY_SETS,
    Bundle,
    BundleError,
    verify_bundle,
)
from gallery.pipelines.indexing import build_index
from gallery.services import query_sets, versions
from gallery.stores import backend_store
from mlcore.encoder import Encoder, load_encoder
from mlcore.errors import ContextVisionError
from mlcore.progress import NoProgress, Progress

if TYPE_CHECKING:
    from mlcore.index import VectorIndex

__all__ = ["BundleError", "ImportedBundle", "import_bundle"]

_AT_A_TIME = 1_000
"""Pictures looked up or vectors written in one statement."""


@dataclass(frozen=True, slots=True)
class ImportedBundle:
    model: ModelVersion
    index: IndexVersion | None
    """None where not one of the bundle's pictures is here."""
    known: int
    """Pictures of the bundle that are here, by their bytes."""
    missing: int
    """Pictures of the bundle that are not here."""
    as_it_was: bool
    """Whether the index was taken as it is: the same pictures have the same ids here."""
    query_sets: tuple[str, ...]
    """Names of the sets that are new here."""
    left_out_queries: int
    """Queries of those sets whose pictures are all missing here."""
    activated: bool


def import_bundle(
    path: Path,
    *,
    activate: bool = False,
    user: User | None = None,
    progress: Progress | None = None,
) -> ImportedBundle:
    """Take in a bundle. Nothing is written before everything in it was verified.

    Pictures are recognised by their bytes. Where all of them are here under the same ids, the index
    is taken as it is; otherwise one is built here of the vectors of those that are here. What is
    live changes only with ``activate``.

    Raises:
        BundleError: it is damaged, of another version, or its parts do not belong together.
        IndexFileError, ModelUnavailableError: a part cannot be used.
    """
    from mlcore.index import VectorIndex

    bundle = verify_bundle(path)
    about = _about(bundle)
    sets = _checked_sets(bundle.json(QUERY_SETS))
    theirs = bundle.pictures()
    with (
        _unpacked(bundle, MODEL, Path(settings.MODELS_DIR)) as model_folder,
        _unpacked(bundle, INDEX, Path(settings.INDEX_DIR)) as index_folder,
    ):
        encoder = load_encoder(model_folder, device=settings.CONTEXTVISION_DEVICE)
        told = (about.get("fingerprint"), about.get("image_fingerprint"))
        if (encoder.fingerprint, encoder.image_fingerprint) != told:
            raise BundleError(
                f"The model in {path} is not the one that was exported: its fingerprint is "
                f"{encoder.fingerprint[:8]}, and {about['fingerprint'][:8]} was written down."
            )
        index = VectorIndex.load(index_folder, fingerprint=encoder.fingerprint)
        version = _model_row(encoder, about, model_folder)
        here = _pictures_here(theirs)
        _store_vectors(version, index, here)
        as_it_was = _is_the_same(version, index, here)
        row: IndexVersion | None = None
        if as_it_was and backend_store() is None:
            row = _index_row(version, index, index_folder)
        elif here:
            row = build_index(version, progress or NoProgress())
    names, left_out = _save_sets(sets, user)
    if activate and row is not None:
        versions.make_active(row, user=user)
    return ImportedBundle(
        model=version,
        index=row,
        known=len(here),
        missing=len(theirs) - len(here),
        as_it_was=as_it_was,
        query_sets=names,
        left_out_queries=left_out,
        activated=activate and row is not None,
    )


def _about(bundle: Bundle) -> dict[str, Any]:
    about = bundle.about.get("model")
    if not isinstance(about, dict) or not isinstance(about.get("fingerprint"), str):
        raise BundleError(f"{bundle.path} does not say which model it holds; export it again.")
    return about


def _checked_sets(sets: Any) -> list[dict[str, Any]]:
    """Refuse query sets that are not as :func:`_told` writes them."""
    try:
        return [
            {
                "name": str(each["name"]),
                "description": str(each["description"]),
                "tolerance": float(each["tolerance"]),
                "queries": [
                    (str(query["text"]), [str(sha256) for sha256 in query["relevant"]])
                    for query in each["queries"]
                ],
            }
            for each in sets
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError("The query sets in the bundle are malformed; export it again.") from error


@contextmanager
def _unpacked(bundle: Bundle, name: str, root: Path) -> Iterator[Path]:
    """Unpack a folder beside where it may go; what is still there at the end is removed."""
    folder = root / f".tmp-{uuid.uuid4().hex}"
    try:
        bundle.unpack(name, folder)
        yield folder
    except OSError as error:
        raise BundleError(
            f"{bundle.path} could not be unpacked into {root} ({error.strerror or error}); check "
            "free space and permissions."
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _model_row(encoder: Encoder, about: Mapping[str, Any], folder: Path) -> ModelVersion:
    """Return the row of the bundle's model; its files are kept unless it is known and usable."""
    known = ModelVersion.objects.filter(fingerprint=encoder.fingerprint).first()
    if known is not None and _is_usable(known):
        return known
    place = Path(settings.MODELS_DIR) / uuid.uuid4().hex
    folder.rename(place)
    if known is not None:
        known.reference = str(place)
        known.save(update_fields=["reference"])
        return known
    return ModelVersion.objects.for_encoder(
        encoder,
        name=str(about.get("name") or place.name)[:200],
        reference=str(place),
        origin=ModelVersion.Origin.IMPORTED,
        recipe=about.get("recipe") or {},
        data=about.get("data") or {},
    )


def _is_usable(version: ModelVersion) -> bool:
    try:
        version.load_encoder()
    except ContextVisionError:
        return False
    return True


def _pictures_here(theirs: Mapping[int, str]) -> dict[int, int]:
    """Return the id here of each of their pictures that is here, by its id there."""
    sums = list(theirs.values())
    ours: dict[str, int] = {}
    for start in range(0, len(sums), _AT_A_TIME):
        found = Image.objects.filter(sha256__in=sums[start : start + _AT_A_TIME])
        ours |= dict(found.values_list("sha256", "pk"))
    return {pk: ours[sha256] for pk, sha256 in theirs.items() if sha256 in ours}


def _store_vectors(version: ModelVersion, index: "VectorIndex", here: Mapping[int, int]) -> None:
    theirs = np.array(sorted(here), dtype=np.int64)
    strangers = theirs[~index.contains(theirs)]
    if len(strangers):
        raise BundleError(
            f"The bundle lists picture {strangers[0]}, which its index does not hold; export it "
            "again."
        )
    for start in range(0, len(theirs), _AT_A_TIME):
        chunk = theirs[start : start + _AT_A_TIME]
        ours = [here[int(pk)] for pk in chunk]
        ImageEmbedding.objects.store(version, ours, index.vectors_of(chunk))


def _is_the_same(version: ModelVersion, index: "VectorIndex", here: Mapping[int, int]) -> bool:
    """Tell whether the index holds, under their ids here, exactly the pictures with a vector."""
    if any(theirs != ours for theirs, ours in here.items()):
        return False
    embedded = ImageEmbedding.objects.of_model(version).order_by("image_id")
    ids = np.fromiter(embedded.values_list("image_id", flat=True).iterator(), dtype=np.int64)
    return np.array_equal(index.ids, ids)


def _index_row(version: ModelVersion, index: "VectorIndex", folder: Path) -> IndexVersion:
    from mlcore.index import IndexManifest

    directory = uuid.uuid4().hex
    newest = ImageEmbedding.objects.of_model(version).order_by("-pk")
    folder.rename(Path(settings.INDEX_DIR) / directory)
    place = Path(settings.INDEX_DIR) / directory
    return IndexVersion.objects.create(
        model_version=version,
        directory=directory,
        count=len(index),
        watermark=newest.values_list("pk", flat=True)[0],
        manifest=asdict(IndexManifest.read(place)),
    )


def _save_sets(sets: list[dict[str, Any]], user: User | None) -> tuple[tuple[str, ...], int]:
    """Keep the query sets whose names are new here; return these and how many queries lack all
    their pictures."""
    names, left_out = [], 0
    for each in sets:
        if SavedQuerySet.objects.filter(name=each["name"]).exists():
            continue
        drafts = []
        for text, sums in each["queries"]:
            relevant = list(Image.objects.filter(sha256__in=sums).values_list("pk", flat=True))
            if relevant:
                drafts.append(query_sets.DraftQuery(text, relevant))
            else:
                left_out += 1
        if drafts:
            query_sets.save(
                None,
                name=each["name"],
                description=each["description"],
                tolerance=each["tolerance"],
                queries=drafts,
                user=user,
            )
            names.append(each["name"])
    return tuple(names), left_out
