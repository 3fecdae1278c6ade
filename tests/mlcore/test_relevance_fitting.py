"""Fitting relevance on held-out captions: known truths are found again, a query's own caption is
never evidence, and what is too little is refused."""

from collections.abc import Sequence

import numpy as np
import pytest

from mlcore.errors import RelevanceError
from mlcore.evaluation.calibration import Calibration, calibration, even_pairs
from mlcore.evaluation.intervals import wilson
from mlcore.relevance import CAPTION, NAMES, PICTURE, WORDS
from mlcore.relevance.bias import choose_bias, neighbour_bias
from mlcore.relevance.fitting import fit, fit_on_captions, logistic
from mlcore.relevance.held_out import Captions, evidence_of, keywords, known_others
from mlcore.relevance.written import word_shares
from mlcore.words import Document, Language, MemoryVocabulary, WordQuery, score

ENGLISH = Language("english")
WIDTH = 24


def unit(rows: np.ndarray) -> np.ndarray:
    lengths: np.ndarray = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / lengths, dtype=np.float32)


class Told:
    """Sentences that name a picture by its number lie near its vector, some nearer than others."""

    def __init__(self, pictures: int) -> None:
        self.centres = unit(np.random.default_rng(1).normal(size=(pictures, WIDTH)))

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        rows = [self._near(text) for text in texts]
        return unit(np.array(rows).reshape(-1, WIDTH))

    def _near(self, text: str) -> np.ndarray:
        numbers = [int(word[1:]) for word in text.split() if word[1:].isdigit()]
        # Seeded by the text, so that the same one always gets the same vector.
        noise = np.random.default_rng(list(text.encode())).normal(size=WIDTH) * 0.3
        return noise + (self.centres[numbers[0]] if numbers else 0)


def gallery(pictures: int, each: int = 3) -> tuple[Told, np.ndarray, list[list[str]]]:
    told = Told(pictures)
    images = unit(told.centres + np.random.default_rng(2).normal(size=told.centres.shape) * 0.3)
    ways = ("seen", "shown", "found", "kept")
    texts = [[f"p{number} {ways[way]}" for way in range(each)] for number in range(pictures)]
    return told, images, texts


def test_a_known_likelihood_ratio_is_found_again_whatever_the_share_of_true_pairs() -> None:
    """Of two normal distributions of one spread, log-odds are linear: 20 x - 8."""
    generator = np.random.default_rng(0)
    block = generator.normal(0.3, 0.1, (1500, 1500, len(NAMES))).astype(np.float32)
    own = np.arange(1500)
    block[own, own] += 0.2
    block[:, :, 1:] = np.nan
    model = fit([block], encoders={"picture": "aa"}, generator=generator)
    assert list(model.patterns) == [("picture",)]
    weights = model.patterns["picture",]
    assert weights.by_kind["picture"] == pytest.approx(20, rel=0.05)
    assert weights.intercept == pytest.approx(-8, abs=0.5)
    assert model.encoders == {"picture": "aa"}


def test_newton_meets_what_separates_without_running_away() -> None:
    values = np.linspace(0, 1, 1000)[:, None]
    intercept, weights = logistic(values, values[:, 0] > 0.9)
    assert np.isfinite([intercept, *weights]).all()
    assert weights[0] > 10
    assert -intercept / weights[0] == pytest.approx(0.9, abs=0.02)


def test_evidence_that_speaks_against_true_pairs_weighs_nothing() -> None:
    generator = np.random.default_rng(0)
    block = generator.normal(0.3, 0.1, (300, 300, len(NAMES))).astype(np.float32)
    own = np.arange(300)
    block[own, own, PICTURE] += 0.3
    block[own, own, WORDS] -= 0.2
    block[:, :, CAPTION] = np.nan
    weights = fit([block], encoders={}, generator=generator).patterns["picture", "words"]
    assert weights.by_kind["words"] == 0
    assert weights.by_kind["picture"] > 20


def test_a_gallery_with_captions_is_fitted_alike_each_time() -> None:
    told, images, texts = gallery(220)
    made = [
        fit_on_captions(images, texts, told, told, ENGLISH, encoders={"picture": "aa"})
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert made[0].source == "fitted"
    assert made[0].figures["pictures"] == 220
    assert set(made[0].patterns) >= {("picture",), ("picture", "caption", "words")}
    # Captions and pictures tell more together than each alone.
    row = np.array([[0.8, 0.8, 1.0], [0.8, np.nan, np.nan]], dtype=np.float32)
    both, alone = made[0].log_odds(row)
    assert both > alone > 0


def test_one_caption_each_fits_the_picture_alone() -> None:
    told, images, texts = gallery(210, each=1)
    model = fit_on_captions(images, texts, told, told, ENGLISH, encoders={})
    assert set(model.patterns) == {("picture",)}


def test_too_few_captioned_pictures_are_refused_with_both_numbers() -> None:
    told, images, texts = gallery(205)
    texts[:6] = [[], ["  "], [], [], [], []]
    with pytest.raises(RelevanceError, match="Only 199 pictures have a caption") as refused:
        fit_on_captions(images, texts, told, None, ENGLISH, encoders={})
    assert refused.value.message.params == {"pictures": 199, "least": 200}


def test_a_caption_that_asks_is_never_known() -> None:
    for captions in range(1, 6):
        for asks in range(captions):
            for others in range(6):
                known = known_others(captions, asks, others)
                assert asks not in known
                assert len(known) == len(set(known)) == min(others, captions - 1)


def test_evidence_is_there_for_what_is_known_and_missing_elsewhere() -> None:
    told, images, texts = gallery(4)
    captions = Captions.read(texts, told, told)
    captioned = np.array([True, False, True, True])
    found = evidence_of(images, captions, ENGLISH, asks=0, others=1, captioned=captioned)
    assert found.shape == (4, 4, len(NAMES))
    assert np.isnan(found[:, 1, [CAPTION, WORDS]]).all()
    assert not np.isnan(found[:, [0, 2, 3]]).any()
    # Caption 0 asks picture 2, whose caption 1 is known.
    wanted = told([texts[0][0]]) @ told([texts[2][1]]).T
    assert found[0, 2, CAPTION] == pytest.approx(wanted[0, 0], abs=1e-6)
    assert found[0, 2, PICTURE] == pytest.approx((told([texts[0][0]]) @ images[2])[0], abs=1e-6)
    nothing = evidence_of(images, captions, ENGLISH, asks=0, others=0)
    assert np.isnan(nothing[:, :, [CAPTION, WORDS]]).all()


def test_shares_of_words_are_those_of_the_search() -> None:
    texts = [["A brown dog runs.", "Dogs play"], ["The red car"], [], ["Two dogs and a red ball"]]
    queries = ["a dog that runs", "red dogs", "the car", "telescope", "!!"]
    documents = [Document.of(caption=each) for each in texts]
    vocabulary = MemoryVocabulary((each for each in documents if each.lines), ENGLISH)
    found = word_shares(queries, texts, ENGLISH)
    assert np.isnan(found[:, 2]).all()
    for query, row in zip(queries, found, strict=True):
        wanted = score(WordQuery.of(query, ENGLISH), documents, vocabulary.idf)
        shares = [match.share for match in wanted]
        assert row[[0, 1, 3]].tolist() == pytest.approx([shares[0], shares[1], shares[3]], abs=1e-6)


def test_keywords_are_words_of_the_caption_in_their_order() -> None:
    caption = "A brown dog is running over the green grass"
    found = keywords(caption, ENGLISH).split()
    assert len(found) == 2
    assert keywords(caption, ENGLISH).split() == found
    assert [word for word in caption.lower().split() if word in found] == found
    assert not {"a", "is", "over", "the"} & set(found)


def test_a_bias_is_the_mean_of_the_nearest_and_leaves_the_own_ones_out() -> None:
    vectors = unit(np.random.default_rng(3).normal(size=(7, WIDTH)))
    bank = unit(np.random.default_rng(4).normal(size=(9, WIDTH)))
    cosines = vectors @ bank.T
    wanted = 0.5 * np.sort(cosines, axis=1)[:, -3:].mean(axis=1)
    assert neighbour_bias(vectors, bank, 3, 0.5) == pytest.approx(wanted, abs=1e-6)
    assert neighbour_bias(vectors, bank, 99, 1.0) == pytest.approx(cosines.mean(axis=1), abs=1e-6)
    assert not neighbour_bias(vectors, bank, 3, 0.0).any()
    assert not neighbour_bias(vectors, bank[:0], 3, 1.0).any()
    groups = np.arange(7)
    owners = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])
    own_out = neighbour_bias(vectors, bank, 2, 1.0, groups=groups, bank_groups=owners)
    assert own_out[0] == pytest.approx(np.sort(cosines[0, 3:])[-2:].mean(), abs=1e-6)
    assert own_out[6] == pytest.approx(np.sort(cosines[6])[-2:].mean(), abs=1e-6)
    everything = neighbour_bias(
        vectors[:1], bank[:3], 2, 1.0, groups=groups[:1], bank_groups=owners[:3]
    )
    assert everything.tolist() == [0.0]


def test_a_bias_is_chosen_where_there_are_hubs_and_none_where_there_are_none() -> None:
    told, images, texts = gallery(300)
    numbers = np.arange(300)
    bank, asking = told([each[1] for each in texts]), told([each[0] for each in texts])
    # A fifth of the pictures lean towards what all sentences have in common.
    common = unit(np.random.default_rng(6).normal(size=(1, WIDTH)))
    bank, asking = unit(bank + common), unit(asking + common)
    hubs = unit(images + common * (numbers % 5 == 0)[:, None])
    found = choose_bias(hubs, bank, asking, numbers, groups=numbers, bank_groups=numbers)
    assert found.alpha > 0
    assert found.after > found.before + 0.02
    unlike = unit(np.random.default_rng(5).normal(size=(50, WIDTH)))
    assert choose_bias(images, unlike, told([each[0] for each in texts]), numbers).alpha == 0


def test_calibration_of_probabilities_that_are_true_is_near_zero_and_of_others_is_not() -> None:
    generator = np.random.default_rng(0)
    chances = generator.uniform(size=20_000)
    truth = generator.uniform(size=20_000) < chances
    good, bad = calibration(chances, truth), calibration(chances**3, truth)
    assert good.ece < 0.015
    assert bad.ece > 0.2
    assert good.brier == pytest.approx(1 / 6, abs=0.01)
    assert good.low < good.brier < good.high < bad.low
    assert [each.count for each in good.bins] == [2000] * 10
    assert all(each.low <= each.observed <= each.high for each in good.bins)
    assert Calibration.from_dict(good.as_dict()) == good
    with pytest.raises(ValueError, match="at least one"):
        calibration(chances[:0], truth[:0])


def test_calibration_by_hand() -> None:
    found = calibration(np.array([0.1, 0.9, 0.2, 0.8]), np.array([False, True, True, True]), bins=2)
    assert found.brier == pytest.approx((0.01 + 0.01 + 0.64 + 0.04) / 4)
    assert [each.observed for each in found.bins] == [0.5, 1.0]
    assert found.ece == pytest.approx(0.5 * abs(0.15 - 0.5) + 0.5 * abs(0.85 - 1.0))


def test_even_pairs_hold_each_own_picture_and_one_other() -> None:
    log_odds = np.full((50, 60), -2.0)
    log_odds[np.arange(50), np.arange(50)] = 3.0
    chances, truth = even_pairs(log_odds, np.arange(50))
    assert chances[truth] == pytest.approx(1 / (1 + np.exp(-3)))
    assert chances[~truth] == pytest.approx(1 / (1 + np.exp(2)))
    assert truth.sum() == 50


def test_the_score_interval_is_wilsons() -> None:
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == 1


def test_a_querys_own_picture_is_never_drawn_as_another() -> None:
    block = np.full((200, 200, len(NAMES)), np.nan, dtype=np.float32)
    block[:, :, PICTURE] = np.eye(200)
    model = fit([block], encoders={}, generator=np.random.default_rng(0))
    row = np.array([[1.0, np.nan, np.nan]])
    # Drawn as one of 200 others, it would speak for itself at no more than ln 200.
    assert model.log_odds(row)[0] > np.log(200) + 1
