"""Wide and tall pictures are found by what stands at their ends."""

import io

import numpy as np
import pytest
from django.conf import LazySettings
from django.core.files.storage import default_storage
from PIL import Image as PillowImage

import mlcore.encoders.cache
from gallery.models import (
    Failure,
    Image,
    ImageEmbedding,
    IndexVersion,
    Job,
    ModelVersion,
    SquareEmbedding,
)
from gallery.models.square import ENDS, squares_of
from gallery.pipelines.indexing import _remove_vectors, prune, remove_index
from gallery.selectors import square_tail_length
from gallery.services.maintenance import maintain
from gallery.uploads.ingest import ingest
from gallery.uploads.items import Destination, UploadItem
from search.engine import engine_holder
from search.query import SearchQuery
from search.services import search_images
from tests.encoders import COLOURS, ColourEncoder, NamedEncoder
from tests.index_files import folder_of
from tests.pictures_of_colours import add_picture, index_everything, run

pytestmark = [pytest.mark.django_db, pytest.mark.also_on_postgres]


def striped(*colours: str, tall: bool = False, shade: int = 0) -> PillowImage.Image:
    """Squares of these colours side by side, or one above the other."""
    image = PillowImage.new("RGB", (40 * len(colours), 40))
    for place, colour in enumerate(colours):
        red, green, blue = COLOURS[colour]
        image.paste((red, max(green - shade, 0), blue), (40 * place, 0, 40 * place + 40, 40))
    return image.transpose(PillowImage.Transpose.ROTATE_270) if tall else image


def add(image: PillowImage.Image, name: str, **destination: object) -> Image:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    item = UploadItem(name, buffer.getvalue(), source=name)
    [result] = ingest([item], Destination(**destination))  # type: ignore[arg-type]
    assert result.image is not None, result.error
    return result.image


@pytest.fixture
def wide(colours: ColourEncoder) -> Image:
    """Red at the left, green in the middle, blue at the right; among plain pictures of others."""
    for colour in ("green", "yellow", "orange", "pink"):
        add_picture(colour)
    image = add(striped("red", "green", "blue"), "wide.png")
    index_everything()
    return image


def first(words: str) -> Image:
    engine_holder.reset()
    return search_images(SearchQuery.of(words, limit=1), user=None).results[0].image


def similarity(words: str, image: Image) -> float | None:
    engine_holder.reset()
    page = search_images(SearchQuery.of(words), user=None)
    return next(each.similarity for each in page.results if each.image == image)


def live() -> IndexVersion:
    return IndexVersion.objects.get(is_active=True)


def test_it_is_found_by_its_ends(wide: Image) -> None:
    assert first("red") == wide
    assert first("blue") == wide
    assert similarity("blue", wide) == pytest.approx(1, abs=0.01)
    assert similarity("green", wide) == pytest.approx(1, abs=0.01)
    assert (live().count, live().square_count) == (5, ENDS)
    assert ImageEmbedding.objects.count() == 5


def test_not_without_squares(colours: ColourEncoder, settings: LazySettings) -> None:
    settings.CONTEXTVISION_SQUARES = False
    purple = add_picture("purple")
    image = add(striped("red", "green", "blue"), "wide.png")
    index_everything()
    assert first("blue") == purple
    assert not SquareEmbedding.objects.exists()
    assert live().square_count == 0
    assert not (folder_of(live()) / "squares").exists()

    settings.CONTEXTVISION_SQUARES = True  # what is wide is looked at again, by itself
    assert list(Image.objects.missing_embeddings(live().model_version)) == [image]
    assert run(Job.Kind.EMBED).result["embedded"] == 1
    assert square_tail_length(live()) == ENDS
    assert first("blue") == image

    settings.CONTEXTVISION_SQUARES = False
    assert first("blue") == purple
    prune()
    assert not SquareEmbedding.objects.exists()


def test_tall_ones_too(colours: ColourEncoder) -> None:
    add_picture("purple")
    image = add(striped("red", "green", "blue", tall=True), "tall.png")
    index_everything()
    upper, lower = SquareEmbedding.objects.order_by("end")
    vectors = [np.frombuffer(bytes(row.vector), "<f4") for row in (upper, lower)]
    np.testing.assert_allclose(vectors, colours.encode_texts(["red", "blue"]), atol=0.01)
    assert first("red") == first("blue") == image


@pytest.mark.parametrize(("width", "is_wide"), [(64, False), (65, True)])
def test_from_where_a_picture_is_wide(colours: ColourEncoder, width: int, is_wide: bool) -> None:
    """Its long side is over 1.6 times the short one."""
    flat = add_picture("red", size=(width, 40))
    upright = add_picture("blue", size=(40, width))
    assert [flat.is_wide, upright.is_wide] == [is_wide] * 2
    assert list(Image.objects.wide().order_by("pk")) == ([flat, upright] if is_wide else [])
    run(Job.Kind.EMBED)
    assert SquareEmbedding.objects.count() == (2 * ENDS if is_wide else 0)


def test_a_gallery_without_wide_pictures_has_nothing_of_it(indexed: dict[str, Image]) -> None:
    assert not SquareEmbedding.objects.exists()
    assert live().square_count == 0
    assert not (folder_of(live()) / "squares").exists()


def test_deleted_and_hidden_ones_are_not_found(wide: Image) -> None:
    Image.objects.filter(pk=wide.pk).update(visibility="private")
    assert first("blue") != wide
    Image.objects.filter(pk=wide.pk).update(visibility="public")
    assert first("blue") == wide
    wide.delete()
    assert first("blue").title != "wide"
    assert not SquareEmbedding.objects.exists()


def test_those_embedded_later_are_found_before_the_next_index(wide: Image) -> None:
    other = add(striped("cyan", "green", "purple"), "later.png")
    run(Job.Kind.EMBED)
    assert first("purple") == other
    run(Job.Kind.INDEX)
    assert live().square_count == 2 * ENDS
    assert first("purple") == other


def test_many_later_ones_queue_an_index(wide: Image, settings: LazySettings) -> None:
    SquareEmbedding.objects.all().delete()
    settings.CONTEXTVISION_TAIL_LIMIT = 1
    run(Job.Kind.EMBED)
    assert square_tail_length(live()) == ENDS
    maintain()
    assert Job.objects.filter(kind=Job.Kind.INDEX).unfinished().exists()


def test_one_that_cannot_be_read_is_a_failure(wide: Image) -> None:
    SquareEmbedding.objects.all().delete()
    default_storage.delete(str(wide.file))
    assert run(Job.Kind.EMBED).result == {"embedded": 0, "failed": 1, "model": "colours"}
    assert Failure.objects.get().image == wide
    for _ in range(Failure.MAX_ATTEMPTS):
        run(Job.Kind.EMBED)
    assert not Image.objects.missing_embeddings(live().model_version).exists()
    assert not Image.objects.all().any_missing_embeddings(live().model_version)


def test_damaged_files_are_stood_in_for_and_built_anew(wide: Image) -> None:
    (folder_of(live()) / "squares" / "index.faiss").write_bytes(b"no")
    assert first("blue") == wide
    assert live().damaged_at is not None
    maintain()
    assert Job.objects.filter(kind=Job.Kind.INDEX).unfinished().exists()


def test_another_model_has_squares_of_its_own_and_a_rollback_finds_the_former(
    wide: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        mlcore.encoders.cache,
        "load_encoder",
        lambda reference, **options: (
            NamedEncoder(reference) if reference == "second" else ColourEncoder()
        ),
    )
    mlcore.encoders.cache.forget_encoders()
    former = live()
    run(Job.Kind.EMBED, model="second")
    run(Job.Kind.INDEX, model="second")
    assert live().model_version.name == "second"
    assert (live().count, live().square_count) == (5, ENDS)
    assert SquareEmbedding.objects.count() == 2 * ENDS
    assert first("blue") == wide
    assert former.activate(instead_of=live())
    assert first("red") == wide


def test_what_no_kept_index_needs_goes(wide: Image) -> None:
    model = live().model_version
    others = ModelVersion.objects.create(
        name="other", reference="other", fingerprint="0" * 64, dim=model.dim, image_size=32
    )
    SquareEmbedding.objects.store(
        others, [wide.pk], np.full((1, ENDS, model.dim), 0.25, dtype=np.float32)
    )
    index = IndexVersion.objects.create(
        model_version=others, store="files", location="gone", count=0, watermark=0
    )
    remove_index(index)
    _remove_vectors(others)
    assert not SquareEmbedding.objects.of_model(others).exists()
    assert SquareEmbedding.objects.of_model(model).count() == ENDS


def test_ids_of_squares_ascend_with_those_of_pictures() -> None:
    ids = squares_of(np.array([3, 7], dtype=np.int64))
    assert ids.tolist() == [6, 7, 14, 15]
    assert (ids // ENDS).tolist() == [3, 3, 7, 7]
