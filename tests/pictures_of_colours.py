"""Small plain pictures, for tests that need pictures but not what is in them."""

import io

from PIL import Image as PillowImage

from gallery.models import Image, Job
from gallery.services import jobs
from gallery.uploads.ingest import ingest
from gallery.uploads.items import Destination, UploadItem
from mlcore.progress import NoProgress
from tests.encoders import COLOURS


def colour_jpeg(colour: str, *, shade: int = 0, size: tuple[int, int] = (48, 40)) -> bytes:
    """Make a JPEG of one colour; another shade makes other bytes of about the same colour."""
    red, green, blue = COLOURS[colour]
    pixel = (max(red - shade, 0), max(green - shade, 0), max(blue - shade, 0))
    buffer = io.BytesIO()
    PillowImage.new("RGB", size, pixel).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def add_picture(
    colour: str,
    *,
    shade: int = 0,
    size: tuple[int, int] = (48, 40),
    captions: tuple[str, ...] = (),
    **destination: object,
) -> Image:
    """Put a picture into the gallery the way an upload does."""
    name = f"{colour}-{shade}.jpg"
    content = colour_jpeg(colour, shade=shade, size=size)
    item = UploadItem(name, content, captions=captions, source=name)
    [result] = ingest([item], Destination(**destination))  # type: ignore[arg-type]
    assert result.image is not None, result.error
    return result.image


def add_many(count: int, *, size: tuple[int, int] = (48, 40)) -> list[Image]:
    """Put so many different pictures into the gallery, in one go."""
    names = list(COLOURS)
    item = [
        UploadItem(f"{n}.jpg", colour_jpeg(names[n % len(names)], shade=n // len(names), size=size))
        for n in range(count)
    ]
    images = [result.image for result in ingest(item, Destination())]
    return [image for image in images if image is not None]


def run(kind: Job.Kind, **params: object) -> Job:
    """Run a job here, and return it once it has succeeded."""
    job = jobs.run_here(kind, params, watcher=NoProgress())
    assert job.status == Job.Status.SUCCEEDED, job.error
    return job


def index_everything() -> None:
    """Embed what has no vector, build an index of all vectors, and make it live."""
    run(Job.Kind.EMBED)
    run(Job.Kind.INDEX)
