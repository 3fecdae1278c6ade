"""Sentences side by side: nothing lost, nothing mixed, and little room left empty."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlcore.encoders.openvino.packing import NOBODY, ROW, STEP, PackedTexts, pack, packed_reader

texts_of_tokens = st.lists(
    st.lists(st.integers(1, 9), min_size=1, max_size=90), min_size=1, max_size=40
)


def found(packed: PackedTexts, text: int) -> tuple[list[int], list[int]]:
    """A text's tokens and their positions, in the order in which they lie."""
    own = packed.owners == text
    assert np.unique(np.nonzero(own)[0]).size == 1, "a text lies in one row"
    return packed.ids[own].tolist(), packed.positions[own].tolist()


@given(texts_of_tokens)
def test_every_text_is_there_whole_and_once(texts: list[list[int]]) -> None:
    packed = pack(texts, None)
    for number, text in enumerate(texts):
        assert found(packed, number) == (text, list(range(len(text))))
    assert np.all((packed.owners == NOBODY) == (packed.ids == 0))


@given(texts_of_tokens)
def test_no_more_rows_than_the_tokens_fill(texts: list[list[int]]) -> None:
    lengths = [len(text) for text in texts]
    rows, width = pack(texts, None).ids.shape
    assert rows <= -(-sum(lengths) // ROW)
    assert width % STEP == 0
    assert width < max(lengths) + ROW + STEP


@pytest.mark.parametrize(("length", "width"), [(1, 8), (8, 8), (9, 16), (77, 80)])
def test_a_text_alone_is_one_short_row(length: int, width: int) -> None:
    assert pack([[1] * length], None).ids.shape == (1, width)


def test_captions_leave_little_empty() -> None:
    generator = np.random.default_rng(0)
    shares = []
    for _ in range(100):
        lengths = generator.normal(14, 4, 32).clip(5, 40).astype(int)
        shares.append(lengths.sum() / pack([[1] * length for length in lengths], None).ids.size)
    assert np.mean(shares) > 0.88


def test_a_text_is_the_mean_of_its_tokens() -> None:
    packed = pack([[5, 6, 7], [8]], None)
    assert np.array_equal(packed.read, [(packed.owners == text).ravel() for text in (0, 1)])


def test_or_is_read_at_its_first_end() -> None:
    packed = pack([[1, 4, 9, 9], [1, 2, 9], [1, 2, 3]], 9)
    [places] = packed.ids.shape[:1]
    assert places == 1
    read = [row.nonzero()[0].tolist() for row in packed.read]
    own = [np.nonzero(packed.owners[0] == text)[0] for text in range(3)]
    assert read == [[own[0][2]], [own[1][2]], [own[2][0]]]  # the last has no end


@pytest.mark.parametrize("causal", [True, False])
def test_what_a_token_may_look_at(causal: bool) -> None:
    seen = []

    def tower(ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        seen.append(mask)
        return torch.stack([ids, positions], dim=2).float()

    reader = packed_reader(tower, lambda mean: mean + 0.5, causal=causal).module
    packed = pack([[5, 6, 7], [8, 2]], None)
    vectors = reader(*map(torch.from_numpy, packed.arrays().values()))
    assert vectors.tolist() == [[6.5, 1.5], [5.5, 1.0]]
    [mask] = seen
    assert mask.shape == (1, 1, 8, 8)
    own = packed.owners[0]
    for one in range(5):
        for other in range(8):
            allowed = own[one] == own[other] and (other <= one or not causal)
            assert bool(mask[0, 0, one, other]) == allowed
