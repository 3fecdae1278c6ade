"""What is written is found, in either database alike."""

import numpy as np
import pytest
from django.conf import LazySettings

from gallery.fulltext import ask, catch_up, find, reading, score_of
from gallery.fulltext.upkeep import mark_outdated
from gallery.models import Image, ImageText
from mlcore.words import WordMatch
from tests.gallery.fulltext.rows import add_record

pytestmark = pytest.mark.django_db


def found(text: str, limit: int = 10) -> list[str]:
    """Titles of what is proposed, in order."""
    ids = find(ask(text), limit)
    titles = dict(Image.objects.values_list("pk", "title"))
    return [titles[pk] for pk in ids]


def scores(text: str) -> dict[int, WordMatch]:
    return score_of(ask(text), Image.objects.all())


@pytest.fixture(autouse=True)
def gallery(db: None) -> None:
    add_record("Two dogs run along the beach.", "A wet dog.", title="first", tags=("holiday",))
    add_record("A green car is parked.", title="second", source="import/IMG_2034.jpg")
    add_record("Ein Hund im Schnee", title="Rex the dog", collection="Côte d'Azur")
    add_record("A green telescope.", title="fourth", source="DSC00017.JPG")
    catch_up()


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("telescope", ["fourth"]),
        ("DOGS", ["Rex the dog", "first"]),  # alike, so the latest first
        ("green car", ["second", "fourth"]),
        ("IMG_2034", ["second"]),
        ("img2034.jpg", ["second", "fourth"]),  # both are a jpg
        ("IMG_20", ["second"]),
        ("dsc00017", ["fourth"]),
        ("cote d'azur", ["Rex the dog"]),
        ("holiday", ["first"]),
        ("telescpoe", ["fourth"]),
        ("telesc", ["fourth"]),
        ("schnee", ["Rex the dog"]),
        ("zebra", []),
        ("", []),
        ("🐶", []),
        ("'\"*:&|!()\\", []),
        ("green' OR \"x", ["fourth", "second"]),
    ],
)
def test_pictures_are_found_by_their_words(text: str, titles: list[str]) -> None:
    assert found(text) == titles


@pytest.mark.parametrize("text", ["Rex the dog", "holiday", "A wet dog", "IMG_2034", "Côte d’Azur"])
def test_a_whole_title_caption_tag_or_name_comes_first_of_many(text: str) -> None:
    exact = found(text)[0]
    for number in range(20):
        add_record(f"{text} and {text} with {number} more", title=f"{text} {number}")
    catch_up()
    assert found(text, limit=3)[0] == exact
    [best] = find(ask(text), 1)
    assert scores(text)[best].whole


def test_only_those_that_are_allowed_are_found() -> None:
    second = Image.objects.get(title="second").pk
    assert find(ask("green"), 5, allowed=np.array([second])) == [second]
    assert find(ask("green"), 5, allowed=np.array([], dtype=np.int64)) == []


def test_words_are_scored() -> None:
    unread = add_record("A green car.", title="not read yet")
    ImageText.objects.filter(image=unread).delete()
    ids = list(Image.objects.order_by("pk").values_list("pk", flat=True))
    found = scores("green car")
    assert [found[pk].share for pk in ids] == pytest.approx([0, 1, 0, 0.35, 0], abs=0.1)
    assert found[ids[1]].fields == ("caption",)
    assert found[unread.pk] == WordMatch()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("green", "fourth"),
        ("green car", "second"),
        ("green telescope", "fourth"),
        ("green zebra", "fourth"),
        ("car green zebra dog", "second"),
        ("a b c d green e f g", "fourth"),
    ],
)
def test_words_that_many_pictures_hold_are_found_together(
    text: str, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "FEW", 1)
    assert found(text)[0] == first
    monkeypatch.setattr(reading, "SHARED_BY_ALL", 1)
    assert first in found(text)


def test_many_common_words_that_no_picture_holds_together_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "FEW", 0)
    assert found("beach car telescope schnee wet parked hund")
    assert found("green dog")
    assert found("green dog beach") == ["first"]


def test_the_language_of_the_settings_decides_on_forms(settings: LazySettings) -> None:
    picture = Image.objects.get(title="Rex the dog").pk

    def kinds() -> list[str]:
        return [match.kind for match in scores("Hunden")[picture].matches]

    assert kinds() == []
    settings.CONTEXTVISION_WORDS_LANGUAGE = "german"
    mark_outdated()
    assert catch_up() == 4
    assert kinds() == ["stem"]
    mark_outdated()
    assert catch_up() == 0
