"""Made-up records, which a large gallery is measured with."""

import numpy as np
import pytest

from benchmarks.site.rows import add_records, main
from gallery.models import Caption, Image, ImageEmbedding
from gallery.selectors import working_model


def test_records_are_added_until_there_are_as_many(indexed: dict[str, Image]) -> None:
    version = working_model()
    assert version is not None
    add_records(version, 50)
    ids, vectors, _ = ImageEmbedding.objects.of_model(version).matrix()
    assert Image.objects.count() == len(ids) == 50
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    made = set(Caption.objects.filter(image__source="generated").values_list("text", flat=True))
    assert made <= {f"all {colour}" for colour in indexed}
    add_records(version, 50)
    assert Image.objects.count() == 50


def test_an_empty_gallery_is_refused_in_words(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["50"]) == 1
    assert "Import and index some pictures first" in capsys.readouterr().err
