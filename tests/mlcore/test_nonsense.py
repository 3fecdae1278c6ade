"""The test of nonsense, and the queries that come with it."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlcore.__main__ import main
from mlcore.evaluation.nonsense import (
    GIBBERISH,
    SENSIBLE,
    NonsenseResult,
    has_strong_hit,
    nonsense_test,
    shipped_queries,
)
from mlcore.relevance import NAMES, RelevanceModel, Weights
from tests.mlcore.test_held_caption import Sentences

MODEL = RelevanceModel({("picture",): Weights(-5.0, {"picture": 20.0})}, strong=0.5)


def pictures(*cosines: float) -> np.ndarray:
    return np.array([[cosine, math.nan, math.nan] for cosine in cosines])


def test_the_best_picture_decides_and_the_mark_grows_with_the_gallery() -> None:
    assert has_strong_hit(MODEL, pictures(0.1, 0.4))
    assert not has_strong_hit(MODEL, pictures(0.1, 0.2))
    assert not has_strong_hit(MODEL, pictures(0.4, *[0.1] * 100_000))
    assert not has_strong_hit(MODEL, pictures()[:0].reshape(0, 3))


def test_shares_of_both_kinds_are_counted() -> None:
    found = nonsense_test(
        MODEL,
        [pictures(0.9), pictures(0.8), pictures(0.1), pictures(0.7)],
        [pictures(0.1), pictures(0.9)],
    )
    assert (found.sensible_strong, found.unanswerable_strong) == (0.75, 0.5)
    assert found.low < 0.5 < found.high
    assert NonsenseResult.from_dict(found.as_dict()) == found
    with pytest.raises(ValueError, match="both kinds"):
        nonsense_test(MODEL, [], [pictures(0.1)])


def test_there_are_a_hundred_queries_of_each_side_and_none_twice() -> None:
    queries = shipped_queries()
    assert set(queries) == {SENSIBLE, GIBBERISH, "foreign", "absent"}
    assert len(queries[SENSIBLE]) == 100
    every = [query for kind in queries.values() for query in kind]
    assert len(every) == len(set(every)) == 200


def test_the_command_asks_all_queries_with_none_one_and_all_captions_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """By words alone: gibberish shares none with the captions, the queries that are captions do."""
    sensible = shipped_queries()[SENSIBLE]
    listing = []
    for number, query in enumerate(sensible[:20]):
        Image.new("RGB", (40, 40), (number, 0, 0)).save(tmp_path / f"{number}.png")
        listing.append({"file_name": f"{number}.png", "text": query})
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in listing))
    weights = tmp_path / "relevance.json"
    by_words = Weights(-9.0, {"picture": 0.0, "caption": 0.0, "words": 20.0})
    alone = Weights(-9.0, {"picture": 0.0})
    model = RelevanceModel({("picture",): alone, NAMES: by_words})
    weights.write_text(json.dumps(model.to_json()))
    monkeypatch.setattr("mlcore.commands.nonsense.load_encoder", lambda *_, **__: Sentences())
    monkeypatch.setattr(
        "mlcore.commands.evaluate.load_sentence_encoder", lambda *_, **__: Sentences()
    )
    asked = ["nonsense", "--dataset", str(tmp_path), "--relevance", str(weights)]

    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pictures"] == 20
    assert found["known"]["0"]["strong"][SENSIBLE] == 0
    assert found["known"]["1"]["strong"][SENSIBLE] >= 20
    assert found["known"]["1"]["strong"][GIBBERISH] == 0
    assert found["known"]["5"] == found["known"]["1"]

    assert main(asked) == 0
    assert "0 captions known: 0.00 of sensible queries" in capsys.readouterr().out
    weights.write_text("no JSON")
    assert main(asked) == 1
    assert "cannot be read as a relevance model" in capsys.readouterr().err
