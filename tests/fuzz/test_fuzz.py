"""A share of the fuzz runs; docs/developing/testing.md says how to run all of them."""

import random
import time
import zlib

import pytest

from mlcore.imaging.sandbox import PictureDecoder
from tests.fuzz import images, metadata
from tests.fuzz.damage import run


@pytest.mark.filterwarnings("ignore")
def test_damaged_metadata_is_read_as_far_as_it_goes_and_loses_no_picture() -> None:
    outcomes = {"read": 0, "read as nothing": 0}
    for name, data in metadata.damaged_metadata(1_500, random.Random(2)):
        started = time.process_time()
        outcomes[metadata.attempt(name, data)] += 1
        assert time.process_time() - started < 1, name
    assert outcomes["read"] > 500, "the damage is so coarse that nothing gets far"
    assert outcomes["read as nothing"] > 200


def test_whole_metadata_is_read() -> None:
    """Or the damaged one would not tell anything."""
    for name, data in metadata.originals().items():
        assert metadata.attempt(name, data) == "read", name


def test_damaged_pictures_whose_library_may_crash_are_refused_at_worst() -> None:
    known = {"decoded", "refused", "refused after a crash of the limited process"}
    with PictureDecoder() as decoder:
        tried = [
            images.attempt(decoder, data)
            for name, data in images.damaged_files(400, random.Random(3))
            if images.is_for_limited_process(name)
        ]
    assert len(tried) > 100
    assert set(tried) <= known


def test_what_is_wrong_is_counted_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> str:
        raise zlib.error("not caught")

    cases = [("one", lambda: "read", True), ("two", broken, True)]
    assert run(cases, 2, 1) == 1
    told = capsys.readouterr()
    assert "1 wrong" in told.out
    assert "number 1, two: error('not caught')" in told.err


@pytest.mark.slow
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("module", [images, metadata])
def test_two_hundred_thousand_damaged_inputs(module: object) -> None:
    assert module.main(["--n", "200000", "--seed", "1"]) == 0  # type: ignore[attr-defined]
