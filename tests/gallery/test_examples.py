"""Example pictures of searches: kept for some hours, under names that cannot be guessed."""

import io
import re

import pytest
from django.conf import LazySettings
from django.core.files.storage import default_storage
from PIL import Image

from gallery import examples
from gallery.examples import (
    ExampleGoneError,
    is_kept,
    keep_example,
    read_example,
    remove_expired_examples,
)

HOUR = 3600


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_800_000_000.0]
    monkeypatch.setattr(examples, "_kept_since_look", 0)
    monkeypatch.setattr("gallery.examples.time.time", lambda: now[0])
    return now


def square(colour: str = "green") -> Image.Image:
    return Image.new("RGB", (16, 16), colour)


def test_the_same_pixels_come_back() -> None:
    kept = read_example(keep_example(square()))
    with Image.open(io.BytesIO(kept)) as image:  # noqa: TID251 - written here
        assert image.tobytes() == square().tobytes()


def test_names_of_files_do_not_tell_the_keys() -> None:
    keys = [keep_example(square()) for _ in range(20)]
    assert len({key[8:] for key in keys}) == 20
    [_, names] = default_storage.listdir(examples.FOLDER)
    assert len(names) == 20
    assert not any(key[8:] in name for key in keys for name in names)
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{64}\.png", name) for name in names)


def test_they_expire_and_are_removed(clock: list[float], settings: LazySettings) -> None:
    settings.CONTEXTVISION_EXAMPLE_HOURS = 2
    old = keep_example(square())
    clock[0] += HOUR
    young = keep_example(square())
    clock[0] += HOUR + 1
    assert not is_kept(old)
    with pytest.raises(ExampleGoneError, match="no longer kept: choose it again"):
        read_example(old)
    assert remove_expired_examples() == 1
    assert remove_expired_examples() == 0
    assert read_example(young)
    [_, names] = default_storage.listdir(examples.FOLDER)
    assert len(names) == 1


def test_a_key_that_claims_another_time_opens_nothing(clock: list[float]) -> None:
    key = keep_example(square())
    forged = f"{int(clock[0]) + 10 * HOUR:08x}{key[8:]}"
    assert is_kept(forged)
    with pytest.raises(ExampleGoneError):
        read_example(forged)


def test_they_are_bounded_by_what_they_weigh_with_no_worker(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_example(square())
    [name] = default_storage.listdir(examples.FOLDER)[1]
    weight = default_storage.size(f"{examples.FOLDER}/{name}")
    monkeypatch.setattr(examples, "MOST_BYTES", 10 * weight)
    monkeypatch.setattr(examples, "LOOK_AFTER", 4)
    for _ in range(60):
        clock[0] += 1
        newest = keep_example(square())
        assert len(default_storage.listdir(examples.FOLDER)[1]) <= 10 + 5
    assert read_example(newest)


def test_the_oldest_make_room(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "KEPT", 2)
    keys = []
    for _ in range(4):
        keys.append(keep_example(square()))
        clock[0] += 1
    assert remove_expired_examples() == 2
    for key in keys[:2]:
        with pytest.raises(ExampleGoneError):
            read_example(key)
    assert all(read_example(key) for key in keys[2:])


@pytest.mark.parametrize("key", ["", "..", "a/b", "x" * 30, "00000000" + "-" * 22, "é" * 30])
def test_what_is_no_key_opens_nothing(key: str) -> None:
    assert not is_kept(key)
    with pytest.raises(ExampleGoneError):
        read_example(key)
