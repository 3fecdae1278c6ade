"""The vector index against a slow oracle, damaged files, full disks and wrong input."""

import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcore.config import FloatMatrix, IdVector, IndexKind, IndexSpec
from mlcore.errors import IndexFileError, IndexMismatchError, InvalidQueryError
from mlcore.index import (
    FreshTail,
    Hit,
    IndexManifest,
    VectorIndex,
    merge_hits,
    remove_stale_builds,
    search_with_tail,
)
from mlcore.index import vectors as vectors_module
from mlcore.index.backend import read_backend

FINGERPRINT = "sha256:0123"
FILES = ("index.faiss", "ids.npy", "manifest.json")


def unit_rows(n: int, dim: int, seed: int = 0) -> FloatMatrix:
    rows = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def int64(values: Sequence[int]) -> IdVector:
    return np.array(values, dtype=np.int64)


def build(ids: IdVector, vectors: FloatMatrix, **options: Any) -> VectorIndex:
    return VectorIndex.build(ids, vectors, fingerprint=FINGERPRINT, **options)


def small_index(n: int = 20, dim: int = 8) -> VectorIndex:
    return build(np.arange(n, dtype=np.int64) * 3, unit_rows(n, dim), watermark=41)


def slow_search(
    ids: IdVector,
    vectors: FloatMatrix,
    queries: FloatMatrix,
    k: int,
    allowed_ids: IdVector | None = None,
) -> list[list[Hit]]:
    """Every product of every pair, summed without rounding, sorted in full."""
    allowed = set(ids.tolist() if allowed_ids is None else allowed_ids.tolist())
    found = []
    for query in queries.tolist():
        hits = [
            Hit(image_id, float(np.float32(math.fsum(map(float.__mul__, query, vector)))))
            for image_id, vector in zip(ids.tolist(), vectors.tolist(), strict=True)
            if image_id in allowed
        ]
        found.append(sorted(hits, key=lambda hit: (-hit.score, hit.image_id))[:k])
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that is empty, whatever else the suite keeps in ``tmp_path``."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


# Few directions with exact float32 products: most pictures of such a gallery tie with others.
TYING_DIRECTIONS = np.array(
    [
        [0.5, 0.5, 0.5, 0.5, 0, 0],
        [0.5, 0.5, -0.5, 0.5, 0, 0],
        [0, 0, 0.5, 0.5, 0.5, 0.5],
        [0.5, -0.5, 0, 0, 0.5, -0.5],
        [1, 0, 0, 0, 0, 0],
        [-0.5, -0.5, -0.5, -0.5, 0, 0],
    ],
    dtype=np.float32,
)


@st.composite
def galleries(draw: st.DrawFn) -> tuple[IdVector, FloatMatrix]:
    ids = draw(st.lists(st.integers(0, 2**63 - 1), unique=True, max_size=60))
    if draw(st.booleans()):
        chosen = [draw(st.integers(0, len(TYING_DIRECTIONS) - 1)) for _ in ids]
        return int64(ids), TYING_DIRECTIONS[chosen].reshape(len(ids), 6)
    return int64(ids), unit_rows(len(ids), 6, seed=draw(st.integers(0, 2**32 - 1)))


queries_strategy = st.lists(st.integers(0, len(TYING_DIRECTIONS) - 1), min_size=1, max_size=3).map(
    lambda chosen: TYING_DIRECTIONS[chosen]
)


class TestSearch:
    @settings(max_examples=300, deadline=None)
    @given(galleries(), queries_strategy, st.integers(1, 70), st.data())
    def test_agrees_with_the_oracle_ties_and_filters_included(
        self,
        gallery: tuple[IdVector, FloatMatrix],
        queries: FloatMatrix,
        k: int,
        data: st.DataObject,
    ) -> None:
        ids, vectors = gallery
        some_ids = st.lists(st.sampled_from([*ids.tolist(), -1, 5, 2**63 - 1]), max_size=80)
        allowed = data.draw(st.none() | some_ids.map(int64))
        found = build(ids, vectors).search(queries, k, allowed_ids=allowed)
        assert found == slow_search(ids, vectors, queries, k, allowed)

    @pytest.mark.parametrize("k", [1, 10, 150])
    @pytest.mark.parametrize("n_queries", [1, 3, 40])  # FAISS takes another path from 20 on
    def test_agrees_with_the_oracle_on_many_vectors(self, k: int, n_queries: int) -> None:
        vectors = unit_rows(800, 48)
        vectors[100:140] = vectors[7]  # forty pictures with one vector: ties across the cut
        ids = np.random.default_rng(1).permutation(10_000)[:800].astype(np.int64)
        queries = np.concatenate([vectors[7:8], unit_rows(n_queries - 1, 48, seed=2)])
        assert build(ids, vectors).search(queries, k) == slow_search(ids, vectors, queries, k)

    def test_a_hit_does_not_depend_on_how_it_was_asked_for(self) -> None:
        index = build(np.arange(3000, dtype=np.int64), unit_rows(3000, 512))
        queries = unit_rows(32, 512, seed=3)
        together = index.search(queries, 200)
        assert together == [index.search(query[np.newaxis], 200)[0] for query in queries]
        assert [hits[:7] for hits in together] == index.search(queries, 7)
        everything = np.arange(3000, dtype=np.int64)
        assert together == index.search(queries, 200, allowed_ids=everything)

    def test_when_all_vectors_are_equal_the_lowest_ids_come_first(self) -> None:
        vectors = np.repeat(unit_rows(1, 16), 2000, axis=0)
        ids = np.arange(2000, dtype=np.int64)[::-1].copy()
        (hits,) = build(ids, vectors).search(vectors[:1], 25)
        assert [hit.image_id for hit in hits] == list(range(25))
        assert {hit.score for hit in hits} == {hits[0].score}

    @pytest.mark.parametrize("step", [1e-7, 1e-4])  # of rounding to 32 bits and to 16
    def test_differences_of_one_rounding_step_are_ranked_exactly(self, step: float) -> None:
        """Rounded scores alone would put some of these among the best 60 that do not belong."""
        generator = np.random.default_rng(0)
        base = generator.standard_normal(64)
        base /= np.linalg.norm(base)
        vectors = (base + generator.standard_normal((300, 64)) * step).astype(np.float32)
        ids, queries = np.arange(300, dtype=np.int64), unit_rows(60, 64, seed=5)
        index = build(ids, vectors)
        found = [index.search(query[np.newaxis], 60)[0] for query in queries]
        assert found == slow_search(ids, vectors, queries, 60)

    def test_a_filter_leaves_k_results_when_that_many_qualify(self) -> None:
        index = build(np.arange(1000, dtype=np.int64), unit_rows(1000, 32))
        query = unit_rows(1, 32, seed=6)
        worst = int64([hit.image_id for hit in index.search(query, 1000)[0][-50:]])
        (hits,) = index.search(query, 40, allowed_ids=worst)
        assert [hit.image_id for hit in hits] == worst[:40].tolist()

    def test_fewer_than_k_is_no_filler(self) -> None:
        index = small_index(5)
        assert len(index.search(unit_rows(1, 8), 100)[0]) == 5
        assert index.search(unit_rows(2, 8), 10, allowed_ids=int64([])) == [[], []]
        assert index.search(unit_rows(2, 8), 10, allowed_ids=int64([1, 2, -1])) == [[], []]
        assert index.search(np.empty((0, 8), dtype=np.float32), 10) == []

    def test_an_empty_index_finds_nothing(self, root: Path) -> None:
        index = build(int64([]), np.empty((0, 8), dtype=np.float32))
        index.save(root / "empty")
        for each in (index, VectorIndex.load(root / "empty", fingerprint=FINGERPRINT)):
            assert each.search(unit_rows(2, 8), 3) == [[], []]
            assert each.search(unit_rows(1, 8), 3, allowed_ids=int64([1])) == [[]]
            assert (len(each), each.dim) == (0, 8)
            assert each.sample().shape == (0, 8)

    def test_searches_at_once_do_not_mix_their_filters(self) -> None:
        index = build(np.arange(4000, dtype=np.int64), unit_rows(4000, 64))
        query = unit_rows(1, 64, seed=7)

        def search_residue(residue: int) -> set[int]:
            allowed = np.arange(residue, 4000, 8, dtype=np.int64)
            hits = index.search(query, 50, allowed_ids=allowed)[0]
            return {hit.image_id % 8 for hit in hits}

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(search_residue, list(range(8)) * 25))
        assert found == [{residue} for residue in range(8)] * 25


class TestRefusals:
    @pytest.mark.parametrize(
        ("queries", "error", "words"),
        [
            (unit_rows(1, 9), IndexMismatchError, "9 wide.*width 8"),
            (np.full((1, 8), np.nan, np.float32), InvalidQueryError, "not a finite number"),
            (np.full((1, 8), np.inf, np.float32), InvalidQueryError, "not a finite number"),
            (np.zeros((1, 8), np.float32), InvalidQueryError, "length 0 instead of 1"),
            (unit_rows(1, 8) * np.float32(1.01), InvalidQueryError, "length 1.01"),
            (unit_rows(1, 8).astype(np.float64), ValueError, "float64"),
            (unit_rows(1, 8)[0], ValueError, r"shape \(8,\)"),
        ],
    )
    def test_a_bad_query_is_an_error(
        self, queries: FloatMatrix, error: type[Exception], words: str
    ) -> None:
        for searched in (small_index(), FreshTail.empty(8)):
            with pytest.raises(error, match=words):
                searched.search(queries, 3)

    def test_one_bad_query_among_good_ones_is_named(self) -> None:
        queries = unit_rows(3, 8)
        queries[2, 4] = np.nan
        with pytest.raises(InvalidQueryError, match="Query vector 2 "):
            small_index().search(queries, 3)

    @pytest.mark.parametrize("k", [0, -1])
    def test_k_below_one_is_an_error(self, k: int) -> None:
        with pytest.raises(ValueError, match="at least 1"):
            small_index().search(unit_rows(1, 8), k)

    def test_allowed_ids_of_a_wrong_type_are_an_error(self) -> None:
        for searched in (small_index(), FreshTail.empty(8)):
            with pytest.raises(ValueError, match="allowed_ids must be an int64 array"):
                searched.search(unit_rows(1, 8), 3, allowed_ids=np.array([1.0]))

    def test_checks_stand_when_python_removes_assertions(self) -> None:
        program = (
            "import numpy as np\n"
            "from mlcore.index import VectorIndex\n"
            "from mlcore.errors import ContextVisionError\n"
            "index = VectorIndex.build(np.arange(4), np.eye(4, dtype=np.float32),"
            " fingerprint='f')\n"
            "wrong = [np.eye(5, dtype=np.float32), np.full((1, 4), np.nan, np.float32)]\n"
            "for queries in wrong:\n"
            "    try:\n"
            "        print(index.search(queries, 2))\n"
            "    except ContextVisionError as error:\n"
            "        print(type(error).__name__)\n"
        )
        done = subprocess.run(
            [sys.executable, "-O", "-c", program], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["IndexMismatchError", "InvalidQueryError"]

    @pytest.mark.parametrize(
        ("ids", "vectors", "error", "words"),
        [
            (int64([1]), unit_rows(2, 4), IndexMismatchError, "1 ids for 2 vectors"),
            (int64([1, 2, 1]), unit_rows(3, 4), IndexMismatchError, "more often: ids 1"),
            (int64([3, -2]), unit_rows(2, 4), IndexMismatchError, "negative: ids -2"),
            (int64([7]), np.zeros((1, 4), np.float32), IndexMismatchError, "image 7 has length 0"),
            (int64([7]), np.full((1, 4), np.nan, np.float32), IndexMismatchError, "image 7 holds"),
            (int64([7]), np.full((1, 4), 3e38, np.float32), IndexMismatchError, "image 7 has"),
            (int64([7]), unit_rows(1, 4) * np.float32(1.002), IndexMismatchError, "image 7 has"),
            (int64([7]), unit_rows(1, 4).astype(np.float64), ValueError, "float64"),
            (int64([7]), unit_rows(1, 4)[0], ValueError, "shape"),
            (int64([]), np.empty((0, 0), np.float32), ValueError, "shape"),
            (np.array([7], dtype=np.int32), unit_rows(1, 4), ValueError, "int32"),
        ],
    )
    def test_bad_vectors_are_not_indexed(
        self, ids: IdVector, vectors: FloatMatrix, error: type[Exception], words: str
    ) -> None:
        makers: list[Callable[[IdVector, FloatMatrix], object]] = [build, FreshTail]
        for make in makers:
            with pytest.raises(error, match=words):
                make(ids, vectors)

    def test_norms_within_the_tolerance_are_accepted(self) -> None:
        build(int64([1, 2]), unit_rows(2, 4) * np.float32(1.0009))

    def test_an_unknown_kind_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="'hnsw'"):
            build(int64([1]), unit_rows(1, 4), spec=IndexSpec(kind="hnsw"))  # type: ignore[arg-type]


class TestVectors:
    def test_come_back_in_the_order_asked(self) -> None:
        ids = int64([9, 4, 7, 1])
        vectors = unit_rows(4, 8)
        index = build(ids, vectors)
        assert np.array_equal(index.vectors_of(int64([7, 9, 7])), vectors[[2, 0, 2]])
        assert index.vectors_of(int64([])).shape == (0, 8)
        assert index.ids.tolist() == [1, 4, 7, 9]
        assert index.contains(int64([4, 5, -1, 100])).tolist() == [True, False, False, False]

    def test_a_missing_id_is_a_key_error_that_names_it(self) -> None:
        with pytest.raises(KeyError, match="ids 4, 5"):
            small_index().vectors_of(int64([3, 4, 5, 6]))

    def test_the_index_keeps_its_own_copy(self) -> None:
        ids, vectors = int64([1, 2]), unit_rows(2, 8)
        before = vectors.copy()
        index, tail = build(ids, vectors), FreshTail(ids, vectors)
        ids[0], vectors[0, 0] = 99, 5.0
        assert np.array_equal(index.vectors_of(int64([1])), before[:1])
        assert np.array_equal(tail.vectors, before)
        assert index.ids.tolist() == tail.ids.tolist() == [1, 2]
        with pytest.raises(ValueError, match="read-only"):
            index.ids[0] = 5

    def test_a_sample_is_spread_over_the_ids_and_always_the_same(self) -> None:
        index = build(np.arange(1000, dtype=np.int64), unit_rows(1000, 8))
        sample = index.sample(11)
        assert np.array_equal(sample, index.sample(11))
        expected = index.vectors_of(int64([0, 99, 199, 299, 399, 499, 599, 699, 799, 899, 999]))
        assert np.array_equal(sample, expected)
        assert small_index(5).sample(11).shape == (5, 8)


class TestFreshTail:
    @settings(max_examples=200, deadline=None)
    @given(galleries(), queries_strategy, st.integers(1, 70), st.data())
    def test_index_and_tail_answer_as_one_index(
        self,
        gallery: tuple[IdVector, FloatMatrix],
        queries: FloatMatrix,
        k: int,
        data: st.DataObject,
    ) -> None:
        ids, vectors = gallery
        # Each picture stands in the index, in the tail, or in both.
        places = [data.draw(st.sampled_from(["index", "tail", "both"])) for _ in ids]
        in_index = np.array([place != "tail" for place in places], dtype=bool)
        in_tail = np.array([place != "index" for place in places], dtype=bool)
        allowed = data.draw(
            st.none() | st.lists(st.sampled_from([*ids.tolist(), 5]), max_size=60).map(int64)
        )
        found = search_with_tail(
            build(ids[in_index], vectors[in_index]),
            FreshTail(ids[in_tail], vectors[in_tail]),
            queries,
            k,
            allowed_ids=allowed,
        )
        assert found == slow_search(ids, vectors, queries, k, allowed)

    def test_a_picture_in_both_counts_as_the_index_has_it(self) -> None:
        directions = np.eye(4, dtype=np.float32)
        index = build(int64([1, 2]), directions[:2])
        # In the tail, picture 2 would be the best answer; the index has it elsewhere.
        tail = FreshTail(int64([2, 3]), directions[[2, 3]])
        query = directions[2:3]
        assert search_with_tail(index, tail, query, 1) == [[Hit(1, 0.0)]]
        assert search_with_tail(index, tail, query, 9) == [[Hit(1, 0.0), Hit(2, 0.0), Hit(3, 0.0)]]

    def test_extending_leaves_the_old_tail_as_it_was(self) -> None:
        vectors = unit_rows(4, 8)
        old = FreshTail.empty(8).extended(int64([5, 3]), vectors[:2])
        new = old.extended(int64([3, 9]), vectors[2:])
        assert old.ids.tolist() == [5, 3]
        assert dict(zip(new.ids.tolist(), new.vectors.tolist(), strict=True)) == {
            5: vectors[0].tolist(),
            3: vectors[2].tolist(),
            9: vectors[3].tolist(),
        }
        assert (len(old), len(new), new.dim) == (2, 3, 8)
        assert new.without(int64([5, 77])).ids.tolist() == [3, 9]
        assert len(new) == 3

    def test_other_widths_are_refused(self) -> None:
        tail = FreshTail(int64([1]), unit_rows(1, 9))
        with pytest.raises(IndexMismatchError, match=r"8 wide.*width 9"):
            tail.extended(int64([2]), unit_rows(1, 8))
        with pytest.raises(IndexMismatchError, match="width"):
            search_with_tail(small_index(), tail, unit_rows(1, 8), 3)

    def test_merging_keeps_the_order_and_the_count(self) -> None:
        index_hits = [Hit(4, 0.9), Hit(1, 0.5), Hit(7, 0.5)]
        tail_hits = [Hit(9, 0.95), Hit(4, 0.93), Hit(2, 0.5)]
        merged = [Hit(9, 0.95), Hit(4, 0.9), Hit(1, 0.5), Hit(2, 0.5), Hit(7, 0.5)]
        assert merge_hits(index_hits, tail_hits, 10) == merged
        assert merge_hits(index_hits, tail_hits, 4) == merged[:4]


class TestDirectory:
    def test_what_is_saved_is_loaded(self, root: Path) -> None:
        index = small_index()
        manifest = index.save(root / "indexes" / "a")
        loaded = VectorIndex.load(root / "indexes" / "a", fingerprint=FINGERPRINT)
        queries = unit_rows(5, 8, seed=8)
        assert loaded.search(queries, 7) == index.search(queries, 7)
        assert (loaded.fingerprint, loaded.watermark, loaded.kind) == (FINGERPRINT, 41, "flat")
        assert IndexManifest.read(root / "indexes" / "a") == manifest
        assert (manifest.count, manifest.dim, manifest.watermark) == (20, 8, 41)
        assert manifest.built_at.endswith("+00:00")
        assert sorted(path.name for path in (root / "indexes" / "a").iterdir()) == sorted(FILES)
        assert [path.name for path in (root / "indexes").iterdir()] == ["a"]

    def test_the_manifest_states_the_bytes_of_the_files(self, root: Path) -> None:
        small_index().save(root / "a")
        fields = json.loads((root / "a" / "manifest.json").read_text())
        assert fields["metric"] == "inner product of unit vectors (cosine)"
        assert {name: file["bytes"] for name, file in fields["files"].items()} == {
            name: (root / "a" / name).stat().st_size for name in ("index.faiss", "ids.npy")
        }

    @pytest.mark.parametrize("existing", ["full", "empty", "file", "dangling link"])
    def test_a_name_in_use_is_refused_and_kept(self, root: Path, existing: str) -> None:
        place = root / "a"
        if existing == "full":
            small_index(3).save(place)
        elif existing == "empty":
            place.mkdir()
        elif existing == "file":
            place.write_text("kept")
        else:
            place.symlink_to(root / "nowhere")
        before = sorted(path.name for path in root.rglob("*"))
        with pytest.raises(IndexFileError, match="exists already"):
            small_index().save(place)
        assert sorted(path.name for path in root.rglob("*")) == before

    def test_another_model_is_refused(self, root: Path) -> None:
        small_index().save(root / "a")
        with pytest.raises(IndexMismatchError, match=r"sha256:0123.*sha256:9999.*Build an index"):
            VectorIndex.load(root / "a", fingerprint="sha256:9999")

    @pytest.mark.parametrize("name", FILES)
    def test_a_missing_file_is_named(self, root: Path, name: str) -> None:
        small_index().save(root / "a")
        (root / "a" / name).unlink()
        with pytest.raises(IndexFileError, match=rf"{name}.*Rebuild the index"):
            VectorIndex.load(root / "a", fingerprint=FINGERPRINT)

    def test_a_missing_directory_is_named(self, root: Path) -> None:
        with pytest.raises(IndexFileError, match=r"does not exist\. Rebuild the index"):
            VectorIndex.load(root / "a", fingerprint=FINGERPRINT)

    def test_another_format_is_told_apart_from_damage(self, root: Path) -> None:
        small_index().save(root / "a")
        manifest = root / "a" / "manifest.json"
        manifest.write_text(json.dumps({"format_version": 2, "shards": []}))
        with pytest.raises(IndexFileError, match="has format 2; this program reads format 1"):
            VectorIndex.load(root / "a", fingerprint=FINGERPRINT)

    def test_files_of_two_indexes_are_not_mixed(self, root: Path) -> None:
        small_index(20).save(root / "a")
        small_index(21).save(root / "b")
        for name in FILES:
            mixed = root / f"mixed-{name}"
            shutil.copytree(root / "a", mixed)
            shutil.copy(root / "b" / name, mixed / name)
            with pytest.raises(IndexFileError, match="damaged"):
                VectorIndex.load(mixed, fingerprint=FINGERPRINT)


class TestDamage:
    DAMAGES = 10_000

    def test_no_damaged_file_is_served(self, root: Path) -> None:
        place = root / "a"
        index = small_index(40, 16)
        index.save(place)
        query = unit_rows(1, 16, seed=9)
        healthy = index.search(query, 5)
        assert VectorIndex.load(place, fingerprint=FINGERPRINT).search(query, 5) == healthy

        generator = random.Random(20)
        stored = {name: (place / name).read_bytes() for name in FILES}
        served = []
        parsed_by_faiss = 0
        for number in range(self.DAMAGES):
            name = generator.choice(FILES)
            damaged = damage(stored[name], generator)
            replace(place / name, damaged)
            try:
                VectorIndex.load(place, fingerprint=FINGERPRINT)
            except IndexFileError:
                pass
            else:
                served.append((number, name))
            if name == "index.faiss" and number % 20 == 0:
                parsed_by_faiss += parses(place)
            replace(place / name, stored[name])
        assert served == []
        # What this test is worth: FAISS alone reads many of these files without complaint.
        assert parsed_by_faiss > 20
        assert VectorIndex.load(place, fingerprint=FINGERPRINT).search(query, 5) == healthy

    def test_every_byte_of_the_manifest_counts(self, root: Path) -> None:
        small_index().save(root / "a")
        manifest = root / "a" / "manifest.json"
        stored = manifest.read_bytes()
        for position in range(len(stored)):
            for replacement in (b" ", b"\n", b"0", b"1", b'"', b"\xff"):
                damaged = stored[:position] + replacement + stored[position + 1 :]
                if damaged != stored:
                    replace(manifest, damaged)
                    with pytest.raises(IndexFileError):
                        VectorIndex.load(root / "a", fingerprint=FINGERPRINT)

    @pytest.mark.parametrize("name", ["index.faiss", "ids.npy"])
    def test_faiss_and_numpy_see_no_unverified_byte(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        small_index().save(root / "a")
        with (root / "a" / name).open("r+b") as stream:
            stream.seek(-1, os.SEEK_END)
            last = stream.read(1)[0]
            stream.seek(-1, os.SEEK_END)
            stream.write(bytes([last ^ 1]))

        def parse(*_: object, **__: object) -> None:
            raise AssertionError("parsed before it was verified")

        monkeypatch.setattr(vectors_module, "read_backend", parse)
        monkeypatch.setattr(np, "load", parse)
        with pytest.raises(IndexFileError, match=f"{name}.*damaged"):
            VectorIndex.load(root / "a", fingerprint=FINGERPRINT)


def replace(path: Path, data: bytes) -> None:
    """Write a new file: a file system may wait for the disk when an old one is overwritten."""
    path.unlink()
    path.write_bytes(data)


def damage(data: bytes, generator: random.Random) -> bytes:
    position = generator.randrange(len(data))
    match generator.randrange(5):
        case 0:
            return data[:position]
        case 1:
            return data + generator.randbytes(generator.randint(1, 64))
        case 2:
            end = min(len(data), position + generator.randint(1, 64))
            zeroed = data[:position] + bytes(end - position) + data[end:]
            return zeroed if zeroed != data else data[:position]
        case _:
            flipped = data[position] ^ (1 << generator.randrange(8))
            return data[:position] + bytes([flipped]) + data[position + 1 :]


def parses(place: Path) -> bool:
    try:
        read_backend(place, "flat", None)
    except IndexFileError:
        return False
    return True


class TestFaultsWhileSaving:
    def test_a_write_that_fails_at_any_byte_leaves_nothing(self, root: Path) -> None:
        """A size limit of the operating system stands for the disk that fills up."""
        program = f"""
import resource, sys
import numpy as np
from pathlib import Path
from mlcore.index import VectorIndex
from mlcore.errors import IndexFileError
root = Path(sys.argv[1])
ids = np.arange(40)
vectors = np.eye(40, 16, dtype=np.float32) + np.eye(40, 16, -16, dtype=np.float32)
vectors += np.eye(40, 16, -32, dtype=np.float32)
index = VectorIndex.build(ids, vectors, fingerprint={FINGERPRINT!r})
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
refused = 0
for limit in range(0, 4000, 7):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        index.save(root / "a")
    except IndexFileError as error:
        refused += 1
        assert "free disk space" in str(error), error
        assert list(root.iterdir()) == [], limit
    else:
        break
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
VectorIndex.load(root / "a", fingerprint={FINGERPRINT!r})
print(refused, limit)
"""
        done = subprocess.run(
            [sys.executable, "-c", program, str(root)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        refused, limit = map(int, done.stdout.split())
        largest = max((root / "a" / name).stat().st_size for name in FILES)
        assert refused == math.ceil(largest / 7)
        assert limit >= largest

    @pytest.mark.skipif(
        os.geteuid() != 0 or not Path("/dev/full").exists(), reason="needs root and /dev/full"
    )
    def test_a_full_device_is_noticed(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in FILES:
            real_open = Path.open

            def open_full(path: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
                if path.name == name and "x" in mode:  # noqa: B023
                    path.symlink_to("/dev/full")
                    return real_open(path, "wb", *rest, **options)  # noqa: B023
                return real_open(path, mode, *rest, **options)  # noqa: B023

            with monkeypatch.context() as patch:
                patch.setattr(Path, "open", open_full)
                with pytest.raises(IndexFileError, match="No space left on device"):
                    small_index().save(root / "a")
            assert list(root.iterdir()) == []

    def test_a_flush_that_fails_leaves_nothing_whichever_it_is(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real_fsync = os.fsync
        flushes = 0
        fails_at = 0

        def fsync(descriptor: int) -> None:
            nonlocal flushes
            flushes += 1
            if flushes == fails_at:
                raise OSError(28, "No space left on device")
            real_fsync(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        for number in range(1, 6):  # three files, their folder, the folder above
            fails_at, flushes = number, 0
            with pytest.raises(IndexFileError, match="No space left on device"):
                small_index().save(root / "a")
            assert list(root.iterdir()) == []
        fails_at, flushes = 6, 0
        small_index().save(root / "a")
        assert flushes == 5

    @pytest.mark.parametrize("victim", [1, 2, 3])
    def test_bytes_that_are_swallowed_are_noticed(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, victim: int
    ) -> None:
        """As when a full device loses the end of a file and reports nothing."""
        real_fsync = os.fsync
        flushes = 0

        def fsync(descriptor: int) -> None:
            nonlocal flushes
            flushes += 1
            if flushes == victim:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - 1)
            real_fsync(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(IndexFileError, match="does not read back as it was written"):
            small_index().save(root / "a")
        assert list(root.iterdir()) == []

    def test_an_interrupt_leaves_nothing(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "rename", interrupt)
        with pytest.raises(KeyboardInterrupt):
            small_index().save(root / "a")
        assert list(root.iterdir()) == []


class TestStaleBuilds:
    def test_only_old_debris_goes(self, root: Path) -> None:
        small_index().save(root / "index")
        shutil.copytree(root / "index", root / ".tmp-old")
        shutil.copytree(root / "index", root / ".tmp-growing")
        (root / ".tmp-pointer").write_text("{}")
        (root / "notes.txt").write_text("kept")
        (root / ".tmp-link").symlink_to(root / "index")
        an_hour_ago = time.time() - 3600
        for path in [*root.rglob("*")]:
            os.utime(path, (an_hour_ago, an_hour_ago), follow_symlinks=False)
        os.utime(root / ".tmp-growing" / "index.faiss")  # its folder itself looks old

        removed = remove_stale_builds(root, older_than_seconds=600)
        assert [path.name for path in removed] == [".tmp-link", ".tmp-old", ".tmp-pointer"]
        assert sorted(path.name for path in root.iterdir()) == [
            ".tmp-growing",
            "index",
            "notes.txt",
        ]
        VectorIndex.load(root / "index", fingerprint=FINGERPRINT)

    def test_a_missing_root_has_none(self, root: Path) -> None:
        assert remove_stale_builds(root / "none", older_than_seconds=0) == []


@pytest.mark.parametrize("kind", ["flat", "ivf_sq8"])
def test_what_is_nearby_is_what_a_search_finds(kind: IndexKind) -> None:
    vectors = unit_rows(400, 16)
    index = VectorIndex.build(
        np.arange(400, dtype=np.int64) + 7, vectors, IndexSpec(kind=kind), fingerprint="f"
    )
    query = unit_rows(1, 16, seed=5)
    for allowed in (None, np.arange(100, 200, dtype=np.int64), np.empty(0, dtype=np.int64)):
        [hits] = index.search(query, 20, allowed_ids=allowed)
        ids, scores = index.nearby(query, 20, allowed_ids=allowed)
        found = dict(zip(ids.tolist(), scores.tolist(), strict=True))
        assert found == pytest.approx({hit.image_id: hit.score for hit in hits}, abs=1e-5)


def test_what_is_nearby_among_many_is_what_a_search_finds() -> None:
    vectors = unit_rows(20_000, 64)
    vectors[:, 0] += 0.5  # numbers of one dimension that are larger than the others
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = VectorIndex.build(np.arange(20_000, dtype=np.int64), vectors, fingerprint="f")
    for seed in range(20):
        query = unit_rows(1, 64, seed=seed)
        [hits] = index.search(query, 80)
        ids, scores = index.nearby(query, 80)
        assert len(set(ids.tolist())) == 80
        assert set(ids.tolist()) == {hit.image_id for hit in hits}
        np.testing.assert_allclose(scores, (vectors[ids] @ query[0]), atol=1e-6)
