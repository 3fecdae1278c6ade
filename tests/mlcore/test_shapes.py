"""A fresh CLIP learns what words mean, in the small; `python -m tests.mlcore.shapes` is whole."""

from dataclasses import replace
from pathlib import Path

from tests.mlcore.shapes import FULL, combinations, dataset, first_found, fresh_clip, learn


def test_a_fresh_clip_learns_to_find_shapes_it_never_saw_together(tmp_path: Path) -> None:
    """One place and three colours: chance is 1 in 12, and half must come first."""
    some = [
        one
        for one in combinations()
        if one[2] == "left of" and {one[0], one[3]} <= {"red", "blue", "yellow"}
    ]
    unseen, kept = dataset(some[:12]), some[12:]
    before = first_found(fresh_clip(tmp_path / "before"), unseen)

    config = replace(FULL, epochs=60, batch_size=80)
    result = learn(
        tmp_path, train=dataset(kept, copies=4), validation=None, config=config, width=48
    )

    after = first_found(result.directory, unseen)
    assert before <= 0.25
    assert after >= 0.5
    assert result.losses[-1] < result.losses[0] / 3
