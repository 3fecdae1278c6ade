"""Pictures that come up for everything have a bias taken from their scores, made with the index."""

from dataclasses import replace

import numpy as np
import pytest

from gallery.models import Caption, Image, ImageEmbedding, IndexBias, IndexVersion, ModelVersion
from mlcore.relevance import RelevanceModel
from mlcore.relevance.bias import PictureBias, neighbour_bias
from mlcore.relevance.model import Weights
from search.engine import engine_holder, get_engine
from search.query import SearchQuery
from search.services import SearchResult, search_images
from tests.encoders import ColourEncoder
from tests.pictures_of_colours import add_picture, index_everything

pytestmark = pytest.mark.django_db

K, ALPHA = 2, 0.5
FITTED = RelevanceModel(
    {("picture",): Weights(0.0, {"picture": 10.0})},
    source="fitted",
    bias={"picture": (K, ALPHA)},
)


def live_index() -> IndexVersion:
    live = IndexVersion.objects.active()
    assert live is not None
    return live


@pytest.fixture
def biased(indexed: dict[str, Image]) -> dict[str, Image]:
    """An index that was built with weights that were fitted with a bias, of the same pictures."""
    ModelVersion.objects.update(relevance=FITTED.to_json())
    index_everything()
    engine_holder.reset()
    return indexed


def picture_part(result: SearchResult) -> float:
    [part] = [each.log_odds for each in result.evidence if each.kind == "picture"]
    return part


def test_it_is_made_of_the_captions_of_other_pictures(
    biased: dict[str, Image], colours: ColourEncoder
) -> None:
    kept = IndexBias.of(live_index())
    assert kept is not None
    captions = Caption.objects.order_by("image_id")
    ids, vectors, _ = ImageEmbedding.objects.all().matrix()
    order = np.argsort(ids)
    expected = neighbour_bias(
        vectors[order],
        colours.encode_texts([caption.text for caption in captions]),
        K,
        ALPHA,
        groups=ids[order],
        bank_groups=np.array([caption.image_id for caption in captions]),
    )
    assert kept.ids.tolist() == sorted(ids.tolist())
    assert kept.values == pytest.approx(expected)
    assert kept.values.std() > 0


def test_a_search_takes_it_from_the_scores_and_tells_the_cosine_as_it_is(
    biased: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> dict[int, SearchResult]:
        page = search_images(SearchQuery.of("red", limit=len(biased)), user=None)
        return {result.image.pk: result for result in page.results}

    engine, less = get_engine(), found()
    monkeypatch.setattr(engine_holder, "_engine", replace(engine, bias=None))
    whole = found()
    assert whole.keys() == less.keys()
    assert engine.bias is not None
    for pk, result in less.items():
        assert result.similarity == whole[pk].similarity
        [taken] = engine.bias.of(np.array([pk]))
        assert picture_part(whole[pk]) - picture_part(result) == pytest.approx(10 * taken, abs=1e-4)


def test_a_picture_that_came_since_has_the_mean(biased: dict[str, Image]) -> None:
    bias = PictureBias(K, ALPHA, np.array([2, 5]), np.array([0.1, 0.3], dtype=np.float32))
    assert bias.of(np.array([5, 1, 9, 2])) == pytest.approx([0.3, 0.2, 0.2, 0.1])
    add_picture("red", shade=9)
    assert get_engine().bias is not None


def test_an_index_from_before_the_weights_were_fitted_is_not_searched_with_them(
    indexed: dict[str, Image],
) -> None:
    ModelVersion.objects.update(relevance=FITTED.to_json())
    engine_holder.reset()
    assert get_engine().bias is None
    assert get_engine().relevance.source == "default"


def test_without_captions_there_is_none(indexed: dict[str, Image]) -> None:
    ModelVersion.objects.update(relevance=FITTED.to_json())
    Caption.objects.all().delete()
    index_everything()
    assert IndexBias.of(live_index()) is None
