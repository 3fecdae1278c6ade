"""What is exactly a title, a caption, a tag or a file name comes first, however a picture looks."""

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from gallery.models import Caption, Image, Tag
from gallery.models.choices import Visibility
from search.forms import SearchForm
from search.query import SearchQuery
from search.services import SearchPage, search_images
from tests.pictures_of_colours import add_picture, index_everything


@pytest.fixture
def pictures(indexed: dict[str, Image]) -> dict[str, Image]:
    """Pictures of which much is said, none of it about their colours."""
    Image.objects.filter(pk=indexed["red"].pk).update(title="Rex the dog")
    Image.objects.filter(pk=indexed["blue"].pk).update(source="holiday/IMG_20340517.jpg")
    Caption.objects.filter(image=indexed["green"]).update(text="A dog named Rex sleeps.")
    indexed["pink"].tags.add(Tag.objects.create(name="kingfisher"))
    # What is asked for is also said elsewhere, beside other things.
    for text in (
        "Not Rex the dog but a cat",
        "A kingfisher and a heron",
        "A dog named Rex sleeps well",
    ):
        add_picture("orange", shade=len(text), captions=(text,))
    index_everything()
    call_command("index_words")
    return indexed


def ask(text: str, user: User | None = None) -> SearchPage:
    form = SearchForm({"q": text})
    assert form.is_valid(), form.errors
    return search_images(form.query(), user=user)


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("Rex the dog", "red"),
        ("rex the DOG", "red"),
        ("A dog named Rex sleeps.", "green"),
        ("kingfisher", "pink"),
        ("IMG_20340517.jpg", "blue"),
        ("IMG_20340517", "blue"),
        ('"named rex sleeps."', "green"),
    ],
)
def test_it_comes_first(pictures: dict[str, Image], text: str, colour: str) -> None:
    page = ask(text)
    assert page.results[0].image == pictures[colour]


def test_a_whole_match_is_strong_and_says_so(pictures: dict[str, Image]) -> None:
    best = ask("Rex the dog").results[0]
    assert best.is_strong
    assert best.evidence[0].kind == "whole"
    assert best.evidence[0].fields == ("title",)


def test_what_is_written_on_private_pictures_brings_nobody_else_to_them(
    pictures: dict[str, Image], django_user_model: type[User]
) -> None:
    owner = django_user_model.objects.create_user("owner")
    Image.objects.filter(pk=pictures["red"].pk).update(visibility=Visibility.PRIVATE, owner=owner)
    assert ask("Rex the dog", owner).results[0].image == pictures["red"]
    for text in ("Rex the dog", '"Rex the dog"', "title:rex"):
        assert pictures["red"] not in {each.image for each in ask(text).results}


def test_hidden_pictures_take_no_place_of_one_that_is_written_on(
    pictures: dict[str, Image], member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.services.LEAST_BREADTH", 4)
    add_picture("blue", shade=1, captions=("A zeppelin over a lake.",))
    for shade in range(2, 10):
        add_picture("blue", shade=shade, captions=("A zeppelin over the lake.",))
    index_everything()
    Image.objects.filter(captions__text="A zeppelin over the lake.").update(
        visibility=Visibility.PRIVATE
    )
    call_command("index_words")
    page = search_images(SearchQuery.of("zeppelin", limit=3), user=member)
    assert "A zeppelin over a lake." in [r.image.captions.get().text for r in page.results]
