"""Composition of query vectors and cleaning of query texts, mostly as properties."""

import itertools
import sys
import unicodedata
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mlcore.config import FloatMatrix
from mlcore.errors import IndexMismatchError, InvalidQueryError
from mlcore.query import MAX_QUERY_CHARS, Kind, QueryPart, compose_query, normalise_text

DIM = 12


def unit(*values: float) -> FloatMatrix:
    vector = np.array(values, dtype=np.float64)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def direction(seed: int, dim: int = DIM) -> FloatMatrix:
    return unit(*np.random.default_rng(seed).standard_normal(dim))


def text(vector: FloatMatrix, weight: float = 1.0) -> QueryPart:
    return QueryPart(vector, weight, "text")


def image(vector: FloatMatrix, weight: float = 1.0) -> QueryPart:
    return QueryPart(vector, weight, "image")


def two_cones(n: int = 500, dim: int = 64) -> tuple[FloatMatrix, FloatMatrix]:
    """Pictures and texts as CLIP-like models place them: in two cones, a gap apart.

    Text i describes picture i. Scores between pictures vary three times as much as scores between
    texts and pictures, because texts lie closer to the axis of their cone.
    """
    axis_of_pictures, axis_of_texts = np.eye(2, dim)
    meaning = np.random.default_rng(0).standard_normal((n, dim))
    meaning[:, :2] = 0
    meaning /= np.linalg.norm(meaning, axis=1, keepdims=True)
    pictures = (axis_of_pictures + meaning) / np.sqrt(2)
    texts = (4 * axis_of_texts + axis_of_pictures + meaning) / np.sqrt(18)
    return pictures.astype(np.float32), texts.astype(np.float32)


weights = st.floats(-10, 10).filter(lambda weight: weight == 0 or abs(weight) > 1e-3)
part_lists = st.lists(
    st.builds(
        QueryPart,
        st.integers(0, 20).map(direction),
        weights,
        st.sampled_from(["text", "image"]),
    ),
    min_size=1,
    max_size=5,
)
galleries = st.none() | st.just(two_cones(dim=DIM)[0])


def compose_or_none(
    parts: Sequence[QueryPart], gallery: FloatMatrix | None = None
) -> FloatMatrix | None:
    try:
        return compose_query(parts, gallery=gallery)
    except InvalidQueryError:
        return None


def same(first: FloatMatrix | None, second: FloatMatrix | None) -> bool:
    """Bit for bit; None stands for a refusal."""
    if first is None or second is None:
        return first is second
    return first.tobytes() == second.tobytes()


class TestComposing:
    @given(part_lists, galleries)
    def test_the_result_is_a_unit_row(
        self, parts: list[QueryPart], gallery: FloatMatrix | None
    ) -> None:
        query = compose_or_none(parts, gallery)
        assume(query is not None)
        assert query is not None
        assert query.shape == (1, DIM)
        assert query.dtype == np.float32
        assert query.flags.c_contiguous
        assert abs(np.linalg.norm(query.astype(np.float64)) - 1) < 1e-6

    @given(part_lists, galleries, st.randoms(use_true_random=False))
    def test_the_order_of_parts_does_not_matter(
        self,
        parts: list[QueryPart],
        gallery: FloatMatrix | None,
        random: Random,
    ) -> None:
        shuffled = parts.copy()
        random.shuffle(shuffled)
        assert same(compose_or_none(parts, gallery), compose_or_none(shuffled, gallery))

    @given(part_lists, galleries, st.integers(0, 5), st.integers(0, 20))
    def test_weight_zero_is_absence(
        self, parts: list[QueryPart], gallery: FloatMatrix | None, place: int, seed: int
    ) -> None:
        for absent in (text(direction(seed), 0.0), image(direction(seed), -0.0)):
            padded = [*parts[:place], absent, *parts[place:]]
            assert same(compose_or_none(parts, gallery), compose_or_none(padded, gallery))

    @given(part_lists, galleries, st.integers(-900, 900))
    def test_only_the_ratios_of_weights_matter(
        self, parts: list[QueryPart], gallery: FloatMatrix | None, exponent: int
    ) -> None:
        # A power of two scales without rounding, and up to here without overflow.
        scaled = [QueryPart(p.vector, p.weight * 2.0**exponent, p.kind) for p in parts]
        assert same(compose_or_none(parts, gallery), compose_or_none(scaled, gallery))

    @given(part_lists, galleries)
    def test_opposite_weights_give_the_opposite_query(
        self, parts: list[QueryPart], gallery: FloatMatrix | None
    ) -> None:
        query = compose_or_none(parts, gallery)
        assume(query is not None)
        opposite = compose_query(
            [QueryPart(p.vector, -p.weight, p.kind) for p in parts], gallery=gallery
        )
        assert query is not None
        np.testing.assert_allclose(opposite, -query, atol=1e-5)

    @given(st.integers(0, 20), st.floats(1e-300, 1e300), st.sampled_from(["text", "image"]))
    def test_a_single_part_is_its_own_query(self, seed: int, weight: float, kind: Kind) -> None:
        vector = direction(seed)
        for shape in ((DIM,), (1, DIM)):
            query = compose_query([QueryPart(vector.reshape(shape), weight, kind)])
            np.testing.assert_allclose(query, vector[np.newaxis], atol=1e-6)

    def test_texts_make_a_plain_weighted_sum(self) -> None:
        beach, people = unit(1, 0, 0), unit(0, 1, 0)
        query = compose_query([text(beach), text(people, -0.5)])
        np.testing.assert_allclose(query, [[1 / 1.25**0.5, -0.5 / 1.25**0.5, 0]], atol=1e-6)

    def test_a_negative_part_lowers_what_resembles_it(self) -> None:
        beach, people = direction(1), direction(2)
        plain, less = compose_query([text(beach)]), compose_query([text(beach), text(people, -0.5)])
        assert (less @ people).item() < (plain @ people).item()

    def test_parts_differing_in_length_by_rounding_still_cancel(self) -> None:
        vector = direction(1)
        with pytest.raises(InvalidQueryError, match="cancel out"):
            compose_query([text(vector * np.float32(1.0005)), text(vector, -1.0)])

    def test_the_order_does_not_matter_even_where_rounding_shows(self) -> None:
        # Two parts cancel and leave two that are so small that float64's rounding is visible.
        first, second, third = (direction(seed, 512) for seed in (1, 2, 3))
        parts = [text(first), text(second, 4e-6), text(first, -1.0), text(third, -3e-6)]
        queries = {compose_query(order).tobytes() for order in itertools.permutations(parts)}
        assert len(queries) == 1

    def test_extreme_weights_are_calculated_with(self) -> None:
        parts = [text(direction(1), sys.float_info.max), image(direction(2), 5e-324)]
        gallery = two_cones(dim=DIM)[0]
        for sample in (None, gallery):
            query = compose_query(parts, gallery=sample)
            np.testing.assert_allclose(query, direction(1)[np.newaxis], atol=1e-6)


class TestRefusedQueries:
    @pytest.mark.parametrize(
        ("parts", "words"),
        [
            ([], "Nothing is asked"),
            ([text(direction(1), 0.0), image(direction(2), 0.0)], "Nothing is asked"),
            ([text(direction(1), 0.7), text(direction(1), -0.7)], "cancel out"),
            ([text(direction(1), float("nan"))], "finite number, not nan"),
            ([text(direction(1), float("inf"))], "finite number, not inf"),
            ([text(np.zeros(DIM, dtype=np.float32))], "length 0 instead of 1"),
            ([text(np.zeros(DIM, dtype=np.float32), 0.0)], "length 0 instead of 1"),
            ([text(np.full(DIM, np.nan, dtype=np.float32))], "length nan"),
            ([text(np.ones(DIM, dtype=np.float32))], "length 3.464"),
            ([text(np.stack([direction(1), direction(2)]))], "one vector"),
            ([text(np.array(1, dtype=np.float32))], "one vector"),
            ([text(np.empty((0, DIM), dtype=np.float32))], "one vector"),
        ],
    )
    def test_without_a_direction(self, parts: list[QueryPart], words: str) -> None:
        with pytest.raises(InvalidQueryError, match=words):
            compose_query(parts)

    def test_with_vectors_of_two_models(self) -> None:
        with pytest.raises(IndexMismatchError, match="different widths"):
            compose_query([text(direction(1, 8)), image(direction(1, 9))])
        with pytest.raises(IndexMismatchError, match="8 wide"):
            compose_query(
                [text(direction(1, 8)), image(direction(1, 8))], gallery=two_cones(dim=9)[0]
            )


class TestBalance:
    def test_equal_weights_move_the_ranking_equally(self) -> None:
        pictures, texts = two_cones()
        part_text, part_image = texts[3], pictures[8]
        query = compose_query([text(part_text), image(part_image)], gallery=pictures)
        balanced = influences(pictures, query, part_text, part_image)
        assert balanced[0] == pytest.approx(balanced[1], abs=0.02)

        plain = compose_query([text(part_text), text(part_image)])  # no balance within one kind
        by_text, by_image = influences(pictures, plain, part_text, part_image)
        assert by_image - by_text > 0.3  # what the balance is for

    def test_both_the_described_and_the_similar_picture_are_found(self) -> None:
        pictures, texts = two_cones()
        described, similar = 3, 8
        query = compose_query([text(texts[described]), image(pictures[similar])], gallery=pictures)
        order = np.argsort(-(query @ pictures.T)[0])
        assert set(order[:2].tolist()) == {described, similar}

    def test_a_larger_text_weight_follows_the_text(self) -> None:
        pictures, texts = two_cones()
        ranks = []
        for weight in (0.1, 0.5, 0.9):
            parts = [text(texts[3], weight), image(pictures[8], 1 - weight)]
            scores = (compose_query(parts, gallery=pictures) @ pictures.T)[0]
            ranks.append(int((scores > scores[3]).sum()))
        assert ranks[0] > ranks[1] >= ranks[2] == 0

    def test_without_a_gallery_the_text_is_still_raised(self) -> None:
        part_text, part_image = unit(1, 0), unit(0, 1)
        query = compose_query([text(part_text), image(part_image)])
        assert query[0, 0] > 2 * query[0, 1]
        few = np.stack([unit(1, 1)] * 3)
        assert same(query, compose_query([text(part_text), image(part_image)], gallery=few))

    def test_a_part_that_hardly_counts_hardly_changes_the_balance(self) -> None:
        pictures, texts = two_cones()
        parts = [text(texts[3]), image(pictures[8])]
        hardly = text(pictures[20], 1e-6)  # its scores vary far more than a text's
        np.testing.assert_allclose(
            compose_query([*parts, hardly], gallery=pictures),
            compose_query(parts, gallery=pictures),
            atol=1e-4,
        )

    def test_a_gallery_of_equal_pictures_divides_by_nothing(self) -> None:
        gallery = np.repeat(unit(1, *[0] * (DIM - 1))[np.newaxis], 50, axis=0)
        query = compose_query([text(direction(1)), image(direction(2))], gallery=gallery)
        assert np.isfinite(query).all()


def influences(
    pictures: FloatMatrix, query: FloatMatrix, part_text: FloatMatrix, part_image: FloatMatrix
) -> tuple[float, float]:
    """Correlation of the query's scores over a gallery with the scores of each part alone."""
    scores = pictures @ np.stack([query[0], part_text, part_image]).T
    correlations = np.corrcoef(scores, rowvar=False)
    return float(correlations[0, 1]), float(correlations[0, 2])


any_text = st.text(st.characters(exclude_categories=()), max_size=400)
valid_text = st.text(max_size=MAX_QUERY_CHARS)


class TestTexts:
    @settings(max_examples=500)
    @given(any_text)
    @example("\u1100\u1161\u11a8" * MAX_QUERY_CHARS)
    @example("e\u202a\u0301")
    @example(" \u0301")
    def test_cleaning_gives_a_clean_text_or_a_refusal(self, given_text: str) -> None:
        try:
            cleaned = normalise_text(given_text)
        except InvalidQueryError as error:
            reason = str(error)
            has_surrogate = any("\ud800" <= char <= "\udfff" for char in given_text)
            assert ("surrogate" in reason) == has_surrogate
            assert has_surrogate or str(MAX_QUERY_CHARS) in reason
            return
        assert normalise_text(cleaned) == cleaned
        assert unicodedata.is_normalized("NFC", cleaned)
        assert len(cleaned) <= MAX_QUERY_CHARS
        assert not {unicodedata.category(char) for char in cleaned} & {"Cc", "Cs"}
        assert not {unicodedata.bidirectional(char) for char in cleaned} & {
            *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        }
        assert cleaned == " ".join(cleaned.split())
        cleaned.encode("utf-8")

    @given(valid_text)
    def test_forms_that_look_the_same_become_the_same(self, given_text: str) -> None:
        composed = unicodedata.normalize("NFC", given_text)
        assume(len(composed) <= MAX_QUERY_CHARS)
        decomposed = unicodedata.normalize("NFD", given_text)
        assert normalise_text(decomposed) == normalise_text(composed)

    @pytest.mark.parametrize(
        ("given_text", "expected"),
        [
            ("  two\tdogs \r\n on\u3000a beach ", "two dogs on a beach"),
            ("cafe\u0301", "caf\u00e9"),
            ("a\x00b\x1b[31m", "ab[31m"),
            ("\u202egnp.exe\u202c", "gnp.exe"),
            ("\ufeffd\u061co\u200e\u200fg\u200b", "dog"),
            ("\x00\u200e\u2066 ", ""),
            ("", ""),
            # Joiners are spelling: a family emoji, and a Persian word.
            ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
            ("می\u200cخواهم", "می\u200cخواهم"),
            ("<b>' OR 1=1 --</b>", "<b>' OR 1=1 --</b>"),
        ],
    )
    def test_examples(self, given_text: str, expected: str) -> None:
        assert normalise_text(given_text) == expected

    def test_the_limit_counts_what_is_left_after_cleaning(self) -> None:
        longest = "é" * MAX_QUERY_CHARS
        assert normalise_text(longest) == longest
        assert normalise_text(unicodedata.normalize("NFD", longest)) == longest
        syllables = "각" * MAX_QUERY_CHARS  # three letters each
        assert normalise_text(unicodedata.normalize("NFD", syllables)) == syllables
        assert normalise_text(f"  {'x' * MAX_QUERY_CHARS}\u202c\n\n") == "x" * MAX_QUERY_CHARS
        with pytest.raises(InvalidQueryError, match=r"301 characters; at most 300.*Shorten it"):
            normalise_text("é" * 301)

    def test_half_a_surrogate_pair_is_refused_anywhere(self) -> None:
        for half, place in itertools.product(("\ud800", "\udfff"), ("{}dog", "do{}g", "dog{}")):
            with pytest.raises(InvalidQueryError, match="surrogate"):
                normalise_text(place.format(half))

    def test_a_hostile_text_is_refused_at_once(self) -> None:
        # Alternating classes of combining marks: normalising ten million takes quadratic time.
        with pytest.raises(InvalidQueryError, match="Shorten it"):
            normalise_text("a" + "\u0301\u0327" * 1_000_000)
