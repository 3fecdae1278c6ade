"""Inverted lists: recall against exact search, filters, files, and the choice of a kind."""

from pathlib import Path

import numpy as np
import pytest

from mlcore.config import FloatMatrix, IdVector, IndexSpec
from mlcore.errors import IndexFileError
from mlcore.index import FreshTail, VectorIndex, choose_kind, search_with_tail
from mlcore.index.kinds import EXACT_UP_TO
from mlcore.index.tuning import Tuning, recall_at

COUNT, DIM = 20_000, 32
INVERTED = IndexSpec(kind="ivf_sq8")


def clustered(count: int, seed: int) -> FloatMatrix:
    """Unit vectors around forty centres, as pictures of forty things would lie."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((40, DIM))
    rows = centres[generator.integers(40, size=count)] + generator.standard_normal((count, DIM))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


VECTORS = clustered(COUNT, seed=1)
IDS = np.arange(COUNT, dtype=np.int64) * 2 + 5
QUERIES = clustered(200, seed=2)


def build(spec: IndexSpec, queries: FloatMatrix | None = None) -> VectorIndex:
    return VectorIndex.build(IDS, VECTORS, spec, fingerprint="f", watermark=7, queries=queries)


@pytest.fixture(scope="module")
def exact() -> VectorIndex:
    return build(IndexSpec(kind="flat"))


@pytest.fixture(scope="module")
def inverted() -> VectorIndex:
    return build(INVERTED, clustered(100, seed=3))


def recall(
    index: VectorIndex, exact: VectorIndex, k: int, allowed_ids: IdVector | None = None
) -> float:
    found = index.search(QUERIES, k, allowed_ids=allowed_ids)
    right = exact.search(QUERIES, k, allowed_ids=allowed_ids)
    shared = [
        len({hit.image_id for hit in hits} & {hit.image_id for hit in true})
        for hits, true in zip(found, right, strict=True)
    ]
    return sum(shared) / sum(map(len, right))


class TestRecall:
    @pytest.mark.parametrize("k", [10, 60])
    def test_reaches_what_was_asked_for(
        self, inverted: VectorIndex, exact: VectorIndex, k: int
    ) -> None:
        assert inverted.tuning is not None
        assert inverted.tuning.recall >= 0.97
        # On queries that it was not tuned on; two standard errors of 200 of them.
        assert recall(inverted, exact, k) >= 0.955

    @pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
    def test_filters_keep_it(self, inverted: VectorIndex, exact: VectorIndex, share: float) -> None:
        allowed = np.random.default_rng(4).choice(IDS, round(share * COUNT), replace=False)
        hits = inverted.search(QUERIES, 10, allowed_ids=allowed)
        assert {hit.image_id for found in hits for hit in found} <= set(allowed.tolist())
        assert recall(inverted, exact, 10, allowed) >= 0.955

    def test_more_is_read_where_more_recall_is_asked_for(self) -> None:
        little = build(IndexSpec(kind="ivf_sq8", recall=0.5)).tuning
        much = build(IndexSpec(kind="ivf_sq8", recall=0.98)).tuning
        assert little is not None
        assert much is not None
        assert little.probes(10, 1.0) < much.probes(10, 1.0)
        assert little.recall >= 0.5

    def test_an_index_that_reads_too_little_is_seen_by_its_recall(
        self, inverted: VectorIndex, exact: VectorIndex, root: Path
    ) -> None:
        """What the tuning is for: with three lists the same index finds far less."""
        few = {depth: dict.fromkeys((1.0, 0.5, 0.1, 0.01), 3) for depth in (10, 100)}
        inverted.save(root / "index")
        crippled = VectorIndex.load(root / "index", fingerprint="f")
        crippled._backend.tuning = Tuning(0.97, 1.0, 1, few)  # type: ignore[attr-defined]
        assert recall(crippled, exact, 10) < recall(inverted, exact, 10) - 0.05

    def test_scores_are_close_to_the_true_cosines(self, inverted: VectorIndex) -> None:
        by_id = dict(zip(IDS.tolist(), VECTORS, strict=True))
        for query, hits in zip(QUERIES, inverted.search(QUERIES, 10), strict=True):
            for hit in hits:
                assert hit.score == pytest.approx(float(query @ by_id[hit.image_id]), abs=0.01)
            assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.image_id))


class TestFullResults:
    def test_a_rare_filter_returns_all_that_qualify(self, inverted: VectorIndex) -> None:
        """Far fewer lists than these pictures are in are usually read."""
        allowed = IDS[::1000]
        for hits in inverted.search(QUERIES[:20], 50, allowed_ids=allowed):
            assert {hit.image_id for hit in hits} == set(allowed.tolist())

    def test_everything_can_be_asked_for(self, inverted: VectorIndex) -> None:
        (hits,) = inverted.search(QUERIES[:1], COUNT)
        assert [hit.image_id for hit in sorted(hits)] == IDS.tolist()

    def test_unknown_ids_allow_nothing(self, inverted: VectorIndex) -> None:
        nobody = np.array([-3, 2, 4, 10**12], dtype=np.int64)
        assert inverted.search(QUERIES[:2], 5, allowed_ids=nobody) == [[], []]

    def test_the_fresh_tail_is_searched_beside_it(self, inverted: VectorIndex) -> None:
        tail = FreshTail(np.array([1], dtype=np.int64), QUERIES[:1])
        (hits,) = search_with_tail(inverted, tail, QUERIES[:1], 3)
        assert hits[0].image_id == 1
        assert hits[0].score == pytest.approx(1.0, abs=1e-6)
        assert len(hits) == 3


class TestFiles:
    def test_a_loaded_index_answers_as_the_built_one(
        self, inverted: VectorIndex, root: Path
    ) -> None:
        manifest = inverted.save(root / "index")
        assert (manifest.kind, manifest.tuning["target"]) == ("ivf_sq8", 0.97)
        loaded = VectorIndex.load(root / "index", fingerprint="f")
        assert loaded.tuning == inverted.tuning
        assert loaded.search(QUERIES, 20) == inverted.search(QUERIES, 20)
        assert np.array_equal(loaded.sample(), inverted.sample())

    def test_it_outlives_the_removal_of_its_files(self, inverted: VectorIndex, root: Path) -> None:
        inverted.save(root / "index")
        loaded = VectorIndex.load(root / "index", fingerprint="f")
        for file in (root / "index").iterdir():
            file.unlink()
        assert loaded.search(QUERIES, 5) == inverted.search(QUERIES, 5)

    def test_a_flipped_bit_is_refused(self, inverted: VectorIndex, root: Path) -> None:
        inverted.save(root / "index")
        file = root / "index" / "index.faiss"
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 4
        file.unlink()
        file.write_bytes(data)
        with pytest.raises(IndexFileError, match="damaged"):
            VectorIndex.load(root / "index", fingerprint="f")

    def test_it_takes_about_a_quarter_of_the_bytes(
        self, inverted: VectorIndex, exact: VectorIndex, root: Path
    ) -> None:
        small, large = inverted.save(root / "small"), exact.save(root / "large")
        ratio = small.files["index.faiss"].bytes / large.files["index.faiss"].bytes
        assert ratio < 0.5  # at 32 numbers a vector the ids weigh more than at 512


class TestChoice:
    def test_the_size_decides(self) -> None:
        assert choose_kind(IndexSpec(), EXACT_UP_TO).kind == "flat"
        assert choose_kind(IndexSpec(), EXACT_UP_TO + 1).kind == "ivf_sq8"
        assert choose_kind(IndexSpec(), 1_000_000).lists == 4000

    def test_a_person_may_decide_otherwise(self) -> None:
        assert choose_kind(IndexSpec(kind="flat"), 10**6).kind == "flat"
        assert choose_kind(INVERTED, 100).lists == 2
        assert choose_kind(INVERTED, 100).reason.code == "index.inverted_asked_for"

    def test_a_handful_of_vectors_can_be_inverted_too(self) -> None:
        index = VectorIndex.build(IDS[:3], VECTORS[:3], INVERTED, fingerprint="f")
        (hits,) = index.search(VECTORS[:1], 3)
        assert hits[0].image_id == IDS[0]
        assert len(hits) == 3


def test_recall_counts_what_was_found_of_what_is_right() -> None:
    found = np.array([[1, 2, -1], [7, 8, 9]], dtype=np.int64)
    right = np.array([[2, 1, 5], [9, -1, -1]], dtype=np.int64)
    reached = recall_at(found, right)
    assert reached.mean == (2 / 3 + 1) / 2
    assert reached.sure == pytest.approx(reached.mean - 1.645 * (1 / 6) / 2**0.5)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder
