"""Whatever comes, goes, is hidden or rebuilt: a search finds what a few lines of numpy find."""

import numpy as np
import pytest

from gallery.models import Image, ImageEmbedding, Job, ModelVersion
from gallery.models.choices import Visibility
from gallery.services import images
from mlcore.config import FloatMatrix
from search import engine
from search.engine import engine_holder, get_engine
from search.query import GalleryPicture, SearchQuery
from search.services import search_images
from tests.encoders import ColourEncoder
from tests.gallery.vectors.rows import add_images
from tests.pictures_of_colours import run
from tests.services import effort

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = 150
LIMIT = 7


class Oracle:
    """What should be found, kept in plain Python."""

    def __init__(self) -> None:
        self.vectors: dict[int, FloatMatrix] = {}
        self.hidden: set[int] = set()

    def nearest(self, pk: int) -> list[int]:
        others = [each for each in self.vectors if each != pk and each not in self.hidden]
        cosines = {each: float(self.vectors[each] @ self.vectors[pk]) for each in others}
        return sorted(others, key=lambda each: -cosines[each])[:LIMIT]


@pytest.mark.parametrize("seed", range(effort()))
def test_every_search_is_as_the_oracle_says(
    colours: ColourEncoder, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(engine, "TAIL_INTERVAL", 0.0)  # seconds between two looks for news
    draw = np.random.default_rng(seed)
    model = ModelVersion.objects.for_encoder(colours)
    oracle = Oracle()

    def add() -> None:
        count = int(draw.integers(1, 5))
        vectors = draw.standard_normal((count, model.dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        keys = [image.pk for image in add_images(count)]
        ImageEmbedding.objects.store(model, keys, vectors)
        oracle.vectors.update(zip(keys, vectors, strict=True))

    def delete() -> None:
        if len(oracle.vectors) > LIMIT:
            gone = any_of(list(oracle.vectors))
            images.delete_images([Image.objects.get(pk=gone)])
            del oracle.vectors[gone]
            oracle.hidden.discard(gone)

    def hide_or_show() -> None:
        pk = any_of(list(oracle.vectors))
        oracle.hidden ^= {pk}
        visibility = Visibility.PRIVATE if pk in oracle.hidden else Visibility.PUBLIC
        images.update_image(Image.objects.get(pk=pk), {"visibility": visibility})

    def rebuild() -> None:
        run(Job.Kind.INDEX)
        get_engine()
        engine_holder.wait_for_swap()

    def any_of(keys: list[int]) -> int:
        return keys[int(draw.integers(len(keys)))]

    for _ in range(4):
        add()
    rebuild()
    changes = (add, delete, hide_or_show, rebuild)
    made = draw.choice(len(changes), size=STEPS, p=(0.4, 0.3, 0.25, 0.05))
    for number in made:
        changes[number]()
        seen = [pk for pk in oracle.vectors if pk not in oracle.hidden]
        if not seen:
            continue
        asked = any_of(seen)
        page = search_images(SearchQuery.of(GalleryPicture(asked), limit=LIMIT), user=None)
        assert [result.image.pk for result in page.results] == oracle.nearest(asked)
