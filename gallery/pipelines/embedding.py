"""Pictures to vectors."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings

from gallery.models import Failure, Image, ImageEmbedding, Job, ModelVersion
from gallery.selectors import working_model
from gallery.uploads import upload_limits
from mlcore.decoding import get_decoder
from mlcore.encoder import Encoder
from mlcore.errors import ImageRejectedError
from mlcore.progress import Progress
from mlcore.shared import shared_encoder

BATCH = 32
"""Pictures encoded and stored at a time: a full batch for the encoder, and the most that is lost
with a killed worker."""


def embed_pictures(job: Job, progress: Progress) -> dict[str, Any]:
    """Embed what has no vector yet.

    Params: ``images`` (ids; all pictures where missing), ``model`` (reference; the live index's
    model where missing, else the model of the settings).
    """
    version, encoder = resolve_model(job.params.get("model"))
    missing = Image.objects.missing_embeddings(version)
    if "images" in job.params:
        missing = missing.filter(pk__in=job.params["images"])
    ids = list(missing.order_by("pk").values_list("pk", flat=True))
    embedded = failed = 0
    progress.report(0, len(ids), "Embedding")
    for start in range(0, len(ids), BATCH):
        if progress.should_stop():
            break
        batch = ids[start : start + BATCH]
        stored = _embed_batch(batch, version, encoder, job)
        embedded += stored
        failed += len(batch) - stored
        progress.report(start + len(batch), len(ids), "Embedding")
    return {"embedded": embedded, "failed": failed, "model": version.name}


def resolve_model(reference: str | None) -> tuple[ModelVersion, Encoder]:
    """Load the model that is named, else the live index's, else that of the settings."""
    version = None if reference else working_model()
    if version is not None:
        return version, version.load_encoder()
    encoder = shared_encoder(
        reference or settings.CONTEXTVISION_MODEL, device=settings.CONTEXTVISION_DEVICE
    )
    return ModelVersion.objects.for_encoder(encoder), encoder


def _embed_batch(ids: Sequence[int], version: ModelVersion, encoder: Encoder, job: Job) -> int:
    """Embed and store one batch; return how many vectors were stored."""
    images = Image.objects.in_bulk(ids)
    readable: list[tuple[Image, bytes]] = []
    for image in images.values():
        try:
            with image.file.open("rb") as handle:
                readable.append((image, handle.read()))
        except OSError as error:
            _note(image, f"The original file cannot be read: {error.strerror}.", job)
    squares = get_decoder().squares(
        ((image.title or str(image.pk), data) for image, data in readable),
        side=encoder.image_size,
        limits=upload_limits(),
    )
    good = []
    for (image, _), square in zip(readable, squares, strict=True):
        if isinstance(square, ImageRejectedError):
            _note(image, square.reason, job)
        else:
            good.append((image, square))
    if not good:
        return 0
    vectors = encoder.encode_images([square for _, square in good])
    kept = [image.pk for image, _ in good]
    stored = ImageEmbedding.objects.store(version, kept, vectors)
    Failure.objects.filter(stage=Failure.Stage.EMBED, image_id__in=kept).delete()
    return stored


def _note(image: Image, reason: str, job: Job) -> None:
    Failure.objects.record(Failure.Stage.EMBED, f"Picture {image.pk}", reason, job=job, image=image)
