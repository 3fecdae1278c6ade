"""A picture that is deleted while it is embedded, or while an index of it is built, is gone."""

from typing import Any

import pytest

from gallery.models import Image, ImageEmbedding, IndexVersion, Job
from gallery.models.embedding import ImageEmbeddingQuerySet
from gallery.pipelines import chunks
from gallery.services.images import delete_images
from gallery.vectors.files import FileStore
from mlcore.index import VectorIndex
from search import engine
from search.engine import engine_holder, get_engine
from search.query import SearchQuery
from search.services import search_images
from tests.encoders import COLOURS
from tests.pictures_of_colours import add_picture, run

pytestmark = pytest.mark.django_db(transaction=True)

EMBEDDING = {
    "before its file is read": (chunks, "_read"),
    "before it is encoded": (chunks, "_encode"),
    "before its vector is stored": (chunks, "_store"),
}
INDEXING = {
    "before the vectors are read": (ImageEmbeddingQuerySet, "matrix"),
    "before the index is made of them": (VectorIndex, "build"),
    "before its files are written": (VectorIndex, "save"),
    "before its row is made": (FileStore, "_row"),
    "before it goes live": (IndexVersion, "activate"),
}


def found() -> set[int]:
    """Ids of all that a visitor finds."""
    page = search_images(SearchQuery.of("red", limit=100), user=None)
    return {result.image.pk for result in page.results}


@pytest.fixture
def pictures(indexed: dict[str, Image], monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """What is live already, as ids; every search looks for news."""
    monkeypatch.setattr(engine, "TAIL_INTERVAL", 0.0)
    return {image.pk for image in indexed.values()}


class Deletion:
    """Deletes a picture at the moment at which a step is about to begin, once."""

    def __init__(self, image: Image, step: tuple[Any, str], patch: pytest.MonkeyPatch) -> None:
        self.image, self.key = image, image.pk
        self.found_at_once: set[int] | None = None
        owner, name = step
        real = getattr(owner, name)

        def after_deletion(*arguments: Any, **options: Any) -> Any:
            if self.found_at_once is None:
                self.found_at_once = set()  # the search below may take this step as well
                delete_images([self.image])
                self.found_at_once = found()
            return real(*arguments, **options)

        is_of_class = isinstance(vars(owner)[name], classmethod)
        patch.setattr(owner, name, staticmethod(after_deletion) if is_of_class else after_deletion)


@pytest.mark.parametrize("step", EMBEDDING)
def test_at_each_step_of_its_embedding(
    step: str, pictures: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    deletion = Deletion(add_picture("red", shade=40), EMBEDDING[step], monkeypatch)
    stays = add_picture("blue", shade=40)
    run(Job.Kind.EMBED)
    assert deletion.found_at_once == pictures
    assert found() == pictures | {stays.pk}
    assert not ImageEmbedding.objects.filter(image_id=deletion.key).exists()
    run(Job.Kind.INDEX)
    _right_after(pictures | {stays.pk})


@pytest.mark.parametrize("step", INDEXING)
def test_at_each_step_of_an_index_build(
    step: str, pictures: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image, stays = add_picture("red", shade=40), add_picture("blue", shade=40)
    run(Job.Kind.EMBED)
    assert found() == pictures | {image.pk, stays.pk}
    deletion = Deletion(image, INDEXING[step], monkeypatch)
    former = IndexVersion.objects.active_id()
    run(Job.Kind.INDEX)
    assert deletion.found_at_once == pictures | {stays.pk}
    assert IndexVersion.objects.active_id() != former
    get_engine()
    engine_holder.wait_for_swap()
    assert found() == pictures | {stays.pk}
    run(Job.Kind.INDEX)
    _right_after(pictures | {stays.pk})


def _right_after(expected: set[int]) -> None:
    """The next index holds what is there and nothing else, and nothing is left to mend."""
    live = IndexVersion.objects.active()
    assert live is not None
    assert live.count == len(expected) == ImageEmbedding.objects.count()
    get_engine()
    engine_holder.wait_for_swap()
    assert found() == expected
    assert len(expected) >= len(COLOURS)
    report = run(Job.Kind.DOCTOR, repair=False, thorough=True).result
    assert sum(check["found"] for check in report["checks"].values()) == 0, report
