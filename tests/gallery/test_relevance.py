"""The evidence is weighed at the first index of enough captioned pictures, and no later one."""

import numpy as np
import pytest

from gallery.models import Caption, Image, ModelVersion
from gallery.models.choices import Split
from gallery.pipelines.indexing import build_index
from gallery.pipelines.relevance import fit_first
from mlcore.progress import NoProgress
from mlcore.relevance.fitting import LEAST_PICTURES
from tests.encoders import COLOURS, ColourEncoder
from tests.gallery.vectors.rows import embed

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(colours: ColourEncoder) -> ModelVersion:
    version = ModelVersion.objects.for_encoder(colours)
    version.reference = "colours"
    version.save()
    return version


def captioned(version: ModelVersion, encoder: ColourEncoder, count: int) -> list[int]:
    names = [list(COLOURS)[number % len(COLOURS)] for number in range(count)]
    noise = np.random.default_rng(0).normal(scale=0.05, size=(count, encoder.dim))
    vectors = encoder.encode_texts(names) + noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = embed(version, vectors.astype(np.float32))
    for pk, name in zip(ids, names, strict=True):
        for order, what in enumerate(("ball", "box")):
            Caption.objects.create(image_id=pk, order=order, text=f"a {name} {what} {pk}")
    return ids


def test_the_first_index_weighs_the_evidence_and_the_next_leaves_it(
    version: ModelVersion, colours: ColourEncoder
) -> None:
    captioned(version, colours, LEAST_PICTURES)
    assert version.relevance_model().source == "default"

    build_index(version, NoProgress())

    version.refresh_from_db()
    fitted = version.relevance_model()
    assert (fitted.source, fitted.figures["pictures"]) == ("fitted", LEAST_PICTURES)
    assert fitted.encoders["picture"] == colours.fingerprint
    assert fitted.weights(["picture"]).by_kind["picture"] > 0

    Caption.objects.update(text="nothing of it is so")
    before = dict(version.relevance)
    build_index(version, NoProgress())
    version.refresh_from_db()
    assert version.relevance == before


def test_with_too_few_captions_the_index_is_built_and_nothing_weighed(
    version: ModelVersion, colours: ColourEncoder
) -> None:
    captioned(version, colours, LEAST_PICTURES - 1)
    assert build_index(version, NoProgress()).count == LEAST_PICTURES - 1
    version.refresh_from_db()
    assert version.relevance == {}


def test_an_encoder_that_cannot_be_had_is_no_reason_to_build_no_index(
    version: ModelVersion,
    colours: ColourEncoder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    captioned(version, colours, LEAST_PICTURES)
    version.fingerprint = "another"
    version.save()
    fit_first(version, NoProgress())
    assert version.relevance == {}
    assert "is not weighed" in caplog.text


def test_of_a_model_that_was_trained_here_its_own_pictures_are_left_out(
    version: ModelVersion, colours: ColourEncoder
) -> None:
    ids = captioned(version, colours, LEAST_PICTURES + 10)
    version.origin = ModelVersion.Origin.TRAINED
    version.save()
    Image.objects.update(split=Split.TRAIN)
    Image.objects.filter(pk__in=ids[10:]).update(split=Split.TEST)
    Image.objects.filter(pk=ids[10]).update(split=Split.VALIDATION)
    fit_first(version, NoProgress())
    assert version.relevance["figures"]["pictures"] == LEAST_PICTURES
    version.relevance = {}
    Image.objects.filter(pk=ids[-1]).update(split=Split.TRAIN)
    fit_first(version, NoProgress())
    assert version.relevance == {}
