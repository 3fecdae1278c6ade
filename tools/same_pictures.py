"""How often a changed copy of a picture is known again, and another one taken for it.

``python -m tools.same_pictures --pictures 300`` draws pictures of the gallery that the settings
name, changes them in each way, and searches with what comes of it; for a third of them once more
while the picture itself is hidden, so that whatever is marked then is wrong. Pictures that are
marked besides the one that was drawn are named, to be looked at: they may be true copies.
"""

import argparse
import io
import os
import sys
from collections.abc import Callable
from statistics import median

import django
import numpy as np
from PIL import Image as Pillow

Change = Callable[[Pillow.Image, np.random.Generator], Pillow.Image]


def _part(width: float, height: float, x: float | None, y: float | None) -> Change:
    """Keep a part of a picture; None puts it anywhere."""

    def cut(image: Pillow.Image, chance: np.random.Generator) -> Pillow.Image:
        size = (round(image.width * width), round(image.height * height))
        at = [chance.random() if place is None else place for place in (x, y)]
        left, top = (
            round((whole - part) * share)
            for whole, part, share in zip(image.size, size, at, strict=True)
        )
        return image.crop((left, top, left + size[0], top + size[1]))

    return cut


def _resized(share: float) -> Change:
    return lambda image, _: image.resize(
        (round(image.width * share), round(image.height * share)), Pillow.Resampling.LANCZOS
    )


def _turned(turn: Pillow.Transpose) -> Change:
    return lambda image, _: image.transpose(turn)


CHANGES: dict[str, tuple[Change, int]] = {
    "half its size": (_resized(0.5), 85),
    "a third of its size": (_resized(0.3), 85),
    "compressed (quality 20)": (lambda image, _: image, 20),
    "mirrored": (_turned(Pillow.Transpose.FLIP_LEFT_RIGHT), 85),
    "turned left": (_turned(Pillow.Transpose.ROTATE_90), 85),
    "turned right": (_turned(Pillow.Transpose.ROTATE_270), 85),
    "upside down": (_turned(Pillow.Transpose.ROTATE_180), 85),
    "left half": (_part(0.5, 1, 0, 0), 85),
    "right half": (_part(0.5, 1, 1, 0), 85),
    "upper half": (_part(1, 0.5, 0, 0), 85),
    "lower half": (_part(1, 0.5, 0, 1), 85),
    "half of its area, middle": (_part(0.7071, 0.7071, 0.5, 0.5), 85),
    "half of its area, anywhere": (_part(0.7071, 0.7071, None, None), 85),
    "half of each side, anywhere": (_part(0.5, 0.5, None, None), 85),
}
"""What is done to a picture, and the quality of the JPEG that it is sent as."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "contextvision_site.settings")
    django.setup()
    from gallery.models import Image

    ids = np.array(Image.objects.order_by("pk").values_list("pk", flat=True))
    drawn = np.random.default_rng(options.seed).choice(ids, options.pictures, replace=False)
    wrong: set[tuple[int, int]] = set()
    for number, (name, (change, quality)) in enumerate(CHANGES.items()):
        found, others, hidden, times = 0, 0, 0, []
        for place, pk in enumerate(drawn.tolist()):
            original = Image.objects.get(pk=pk)
            data = _changed(original, change, quality, np.random.default_rng(pk))
            first, marked, took = _search(data)
            found += first == pk
            others += len(marked - {pk})
            times.append(took)
            wrong |= {(pk, other) for other in marked - {pk}}
            if (place + number) % 3:
                continue
            Image.objects.filter(pk=pk).update(visibility="private")
            try:
                marked = _search(data)[1]
            finally:
                Image.objects.filter(pk=pk).update(visibility="public")
            hidden += bool(marked)
            wrong |= {(pk, other) for other in marked}
        sys.stdout.write(
            f"{name:30} found {found / len(drawn):6.1%}  others marked {others:3}  "
            f"marked while hidden {hidden:3}  {median(times):5.0f} ms\n"
        )
        sys.stdout.flush()
    for pk, other in sorted(wrong):
        names = [Image.objects.get(pk=each).source for each in (pk, other)]
        sys.stdout.write(f"marked: {names[0]} {names[1]}\n")


def _changed(original: object, change: Change, quality: int, chance: np.random.Generator) -> bytes:
    from gallery.models import Image

    assert isinstance(original, Image)
    with original.file.open() as file:
        picture = Pillow.open(io.BytesIO(file.read()))  # noqa: TID251 - of one's own gallery
    buffer = io.BytesIO()
    change(picture.convert("RGB"), chance).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _search(data: bytes) -> tuple[int, set[int], float]:
    """Return the first hit where it is marked as the same, all that are, and milliseconds."""
    from search.query import QueryImage, SearchQuery
    from search.services import search_images

    page = search_images(SearchQuery.of(QueryImage("example.jpg", data)), user=None)
    marked = [
        hit.image.pk for hit in page.results if hit.evidence and hit.evidence[0].kind == "same"
    ]
    first = page.results[0].image.pk if page.results else 0
    return first if first in marked else 0, set(marked), page.timing_ms["total"]


if __name__ == "__main__":
    main()
