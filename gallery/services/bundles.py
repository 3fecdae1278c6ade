"""Models that travel: into one file here, out of it on a machine that may have no network."""

import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings
from django.contrib.auth.models import User

from gallery.models import (
    Image,
    ImageEmbedding,
    IndexVersion,
    ModelVersion,
    SavedQuerySet,
    SentenceEmbedding,
    SentenceModel,
)
from gallery.models.sentence import sentences_of
from gallery.pipelines.bundles import (
    CAPTIONS,
    CONTENTS,
    INDEX,
    MODEL,
    QUERY_SETS,
    SENTENCES,
    Bundle,
    BundleError,
    verify_bundle,
)
from gallery.pipelines.indexing import build_index
from gallery.services import query_sets, versions
from gallery.vectors.registry import store_for_new
from mlcore.config import ONE_VIEW, VIEWS, Views
from mlcore.encoders import Encoder, load_encoder, seen_in
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
        named = str(about.get("views", "centre")).split(",")
        views: Views = tuple(view for view in VIEWS if view in named) or ONE_VIEW
        options = settings.CONTEXTVISION_RUNTIME_OPTIONS
        encoder = seen_in(load_encoder(model_folder, options=options), views)
        told = (about.get("fingerprint"), about.get("image_fingerprint"))
        if (encoder.fingerprint, encoder.image_fingerprint) != told:
            raise BundleError(
                "bundle.other_model",
                path=str(path),
                found=encoder.fingerprint[:8],
                expected=about["fingerprint"][:8],
            )
        index = VectorIndex.load(index_folder, fingerprint=encoder.fingerprint)
        version = _model_row(encoder, about, model_folder)
        here = _pictures_here(theirs)
        _store_vectors(version, index, here)
        _store_sentences(bundle, here)
        as_it_was = _is_the_same(version, index, here)
        row = store_for_new().adopt(version, index_folder) if as_it_was else None
        if row is None and here:
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
        raise BundleError("bundle.names_no_model", path=str(bundle.path))
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
        raise BundleError("bundle.bad_query_sets") from error


@contextmanager
def _unpacked(bundle: Bundle, name: str, root: Path) -> Iterator[Path]:
    """Unpack a folder beside where it may go; what is still there at the end is removed."""
    folder = root / f".tmp-{uuid.uuid4().hex}"
    try:
        bundle.unpack(name, folder)
        yield folder
    except OSError as error:
        raise BundleError(
            "bundle.cannot_be_unpacked",
            path=str(bundle.path),
            folder=str(root),
            why=error.strerror or str(error),
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
        raise BundleError("bundle.unknown_picture", id=str(strangers[0]))
    for start in range(0, len(theirs), _AT_A_TIME):
        chunk = theirs[start : start + _AT_A_TIME]
        ours = [here[int(pk)] for pk in chunk]
        ImageEmbedding.objects.store(version, ours, index.vectors_of(chunk))


def _store_sentences(bundle: Bundle, here: Mapping[int, int]) -> None:
    """Keep what their model made of captions and titles that are the same here, to the letter; it
    is not computed again where that model reads here too."""
    from mlcore.index import VectorIndex

    about = bundle.about.get("sentences")
    if about is None:
        return
    with _unpacked(bundle, CAPTIONS, Path(settings.INDEX_DIR)) as folder:
        try:
            index = VectorIndex.load(folder, fingerprint=str(about["fingerprint"]))
            reference = str(about["reference"])
        except (KeyError, TypeError) as error:
            raise BundleError("bundle.malformed", member=CONTENTS) from error
        theirs = bundle.sentences()
        if len(theirs) != len(index):
            raise BundleError("bundle.malformed", member=SENTENCES)
        model, _ = SentenceModel.objects.get_or_create(
            fingerprint=index.fingerprint, defaults={"reference": reference, "dim": index.dim}
        )
        rows = {
            (here[image_id], digest): row
            for row, (image_id, digest) in enumerate(theirs)
            if image_id in here and digest
        }
        ours = sorted({image_id for image_id, _ in rows})
        for start in range(0, len(ours), _AT_A_TIME):
            chunk = ours[start : start + _AT_A_TIME]
            known = SentenceEmbedding.objects.of_model(model).filter(image_id__in=chunk)
            digests = set(known.values_list("image_id", "key", "digest"))
            new = [
                each
                for each in sentences_of(chunk)
                if (each.image_id, each.digest) in rows
                and (each.image_id, each.key, each.digest) not in digests
            ]
            places = np.array([rows[each.image_id, each.digest] for each in new], dtype=np.int64)
            SentenceEmbedding.objects.store(model, new, index.vectors_of(places))


def _is_the_same(version: ModelVersion, index: "VectorIndex", here: Mapping[int, int]) -> bool:
    """Tell whether the index holds, under their ids here, exactly the pictures with a vector."""
    if any(theirs != ours for theirs, ours in here.items()):
        return False
    embedded = ImageEmbedding.objects.of_model(version).order_by("image_id")
    ids = np.fromiter(embedded.values_list("image_id", flat=True).iterator(), dtype=np.int64)
    return np.array_equal(index.ids, ids)


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
