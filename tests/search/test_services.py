"""Queries through the whole search: form, encoder, index, database."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gallery.jobs.runner import run_job
from gallery.models import Collection, Image, ImageEmbedding, IndexVersion, Job
from gallery.services import versions
from gallery.services.maintenance import REPAIRS_AN_HOUR, maintain
from mlcore.errors import ImageRejectedError, IndexFileError, InvalidQueryError
from search.engine import NoActiveIndexError, engine_holder, get_engine
from search.filters import ImageFilter
from search.query import GalleryPicture, Part, QueryImage, SearchQuery, Subject, Words
from search.services import SearchPage, UnknownImageError, search_images
from tests.encoders import ColourEncoder
from tests.index_files import folder_of
from tests.pictures_of_colours import add_picture, colour_jpeg, index_everything, run

pytestmark = pytest.mark.django_db


def found(page: SearchPage) -> list[str]:
    return [result.image.title.split("-")[0] for result in page.results]


def ask(*subjects: str | Subject, **options: Any) -> SearchPage:
    return search_images(SearchQuery.of(*subjects, **options), user=None)


def test_words_find_the_picture_that_they_mean(indexed: dict[str, Image]) -> None:
    for colour in indexed:
        page = ask(f"something {colour}", limit=1)
        assert found(page) == [colour]
        assert page.results[0].relevance > 0.9
        assert page.has_next


def test_a_picture_finds_its_like(indexed: dict[str, Image]) -> None:
    example = QueryImage("example.jpg", colour_jpeg("green", shade=15))
    assert found(ask(example, limit=1)) == ["green"]


def test_words_and_picture_together_and_their_weights(indexed: dict[str, Image]) -> None:
    for colour in indexed:  # enough pictures to tell how scores spread
        add_picture(colour, shade=12)
    index_everything()
    red = QueryImage("red.jpg", colour_jpeg("red"))
    for weight, first in ((10.0, "blue"), (0.01, "red")):
        query = SearchQuery((Part(Words("blue"), weight), Part(red)), limit=1)
        assert found(search_images(query, user=None)) == [first]
    assert set(found(ask("blue", red, limit=4))) == {"red", "blue"}


def test_more_like_this_leaves_the_picture_itself_out(indexed: dict[str, Image]) -> None:
    twin = add_picture("red", shade=10)
    index_everything()
    page = ask(GalleryPicture(indexed["red"].pk), limit=1)
    assert [result.image for result in page.results] == [twin]


def test_without_steers_away(indexed: dict[str, Image]) -> None:
    assert set(found(ask("red blue", limit=2))) == {"red", "blue"}
    query = SearchQuery((Part(Words("red blue")), Part(Words("blue"), wanted=False)), limit=2)
    assert "blue" not in found(search_images(query, user=None))


def test_a_new_picture_is_found_before_any_rebuild(indexed: dict[str, Image]) -> None:
    get_engine()
    fresh = add_picture("red", shade=25)
    run(Job.Kind.EMBED)
    engine_holder._looked_at = 0.0
    live = IndexVersion.objects.active()
    assert live is not None
    assert live.count == len(indexed)
    titles = [result.image for result in ask("red", limit=2).results]
    assert fresh in titles


def test_a_deleted_picture_is_gone_at_once(indexed: dict[str, Image]) -> None:
    assert found(ask("red", limit=1)) == ["red"]
    indexed["red"].delete()
    page = ask("red", limit=20)
    assert "red" not in found(page)
    assert len(page.results) == len(indexed) - 1


def test_private_pictures_are_found_by_their_owner_and_staff_only(
    indexed: dict[str, Image], member: User, staff: User
) -> None:
    Image.objects.filter(pk=indexed["red"].pk).update(visibility="private", owner=member)
    query = SearchQuery.of("red", limit=1)
    assert found(search_images(query, user=None)) != ["red"]
    assert found(search_images(query, user=member)) == ["red"]
    assert found(search_images(query, user=staff)) == ["red"]
    with pytest.raises(UnknownImageError):
        ask(GalleryPicture(indexed["red"].pk))


def test_filters_keep_recall_whatever_they_let_through(indexed: dict[str, Image]) -> None:
    shelf = Collection.objects.create(name="Shelf")
    Image.objects.filter(pk=indexed["blue"].pk).update(collection=shelf)
    page = ask("red", where=ImageFilter(collection="Shelf"), limit=5)
    assert found(page) == ["blue"]
    assert not page.has_next


def test_pages_follow_each_other_without_gap_or_repeat(indexed: dict[str, Image]) -> None:
    whole = found(ask("red", limit=8))
    paged = [name for offset in (0, 3, 6) for name in found(ask("red", limit=3, offset=offset))]
    assert paged == whole
    assert not ask("red", limit=3, offset=6).has_next


def test_pages_hold_when_most_of_the_best_are_hidden(
    indexed: dict[str, Image], colours: ColourEncoder
) -> None:
    hidden = [add_picture("red", shade=shade) for shade in range(1, 60)]
    index_everything()
    Image.objects.filter(pk__in=[image.pk for image in hidden]).update(visibility="private")
    page = ask("red", limit=8)
    assert len(page.results) == 8
    assert found(page)[0] == "red"


def test_database_work_does_not_grow_with_the_page(indexed: dict[str, Image]) -> None:
    for shade in range(1, 30):
        add_picture("red", shade=shade, captions=("one", "two"))
    index_everything()
    ask("warm up")
    counts = []
    for limit in (1, 30):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            ask("red", limit=limit)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 7, [query["sql"][:80] for query in queries]


def test_what_cannot_be_asked_is_said_in_words(indexed: dict[str, Image]) -> None:
    with pytest.raises(InvalidQueryError, match="Nothing to search for"):
        ask()
    with pytest.raises(ImageRejectedError, match=r"notes\.txt"):
        ask(QueryImage("notes.txt", b"buy milk"))
    with pytest.raises(UnknownImageError, match="no picture 999"):
        ask(GalleryPicture(999))


def test_text_longer_than_the_model_reads_is_told(indexed: dict[str, Image]) -> None:
    [notice] = map(str, ask("red " * 13).notices)
    assert "longer than the model reads" in notice


def test_no_index_is_an_error_not_an_empty_answer(colours: ColourEncoder) -> None:
    with pytest.raises(NoActiveIndexError, match="No index is live yet"):
        ask("red")


def test_damaged_index_files_are_not_served_and_searches_go_on(indexed: dict[str, Image]) -> None:
    live = IndexVersion.objects.active()
    assert live is not None
    (folder_of(live) / "ids.npy").unlink()
    page = ask("red", limit=1)
    assert found(page) == ["red"]
    [notice] = map(str, page.notices)
    assert "stored vectors" in notice


class TestDamagedFiles:
    @pytest.mark.parametrize("name", ["ids.npy", "captions/keys.npy"])
    def test_they_are_built_anew_once(self, indexed: dict[str, Image], name: str) -> None:
        live = IndexVersion.objects.active()
        assert live is not None
        maintain()
        assert not Job.objects.unfinished().exists()
        file = folder_of(live) / name
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.unlink()
        file.write_bytes(bytes(content))
        assert ask("red", limit=1).notices
        maintain()
        [job] = Job.objects.unfinished()
        assert job.kind == Job.Kind.INDEX
        maintain()
        assert Job.objects.unfinished().count() == 1
        run_job(job.pk)
        assert IndexVersion.objects.active() != live
        maintain()
        assert not Job.objects.unfinished().exists()
        engine_holder.reset()
        page = ask("red", limit=1)
        assert (found(page), page.notices) == (["red"], [])

    def test_a_folder_that_cannot_be_read_at_all_is_not_built_into_for_ever(
        self, indexed: dict[str, Image]
    ) -> None:
        for _ in range(8):
            live = IndexVersion.objects.active()
            assert live is not None
            (folder_of(live) / "ids.npy").unlink(missing_ok=True)
            engine_holder.reset()
            ask("red")
            maintain()
            for job in Job.objects.unfinished():
                run_job(job.pk)
        made = Job.objects.filter(kind=Job.Kind.INDEX).count()
        assert made == REPAIRS_AN_HOUR  # with the first, which was nobody's repair

    def test_too_many_vectors_to_search_without_it(
        self, indexed: dict[str, Image], monkeypatch: pytest.MonkeyPatch, client: Client
    ) -> None:
        monkeypatch.setattr("gallery.vectors.files.MOST_FROM_ROWS", len(indexed) - 1)
        live = IndexVersion.objects.active()
        assert live is not None
        (folder_of(live) / "ids.npy").unlink()
        with pytest.raises(IndexFileError, match="again when a worker has built a new index"):
            ask("red")
        page = client.get("/", {"q": "red"})
        assert (page.status_code, page["Retry-After"]) == (503, "60")
        assert "The search is out of order" in page.content.decode()
        answer = client.get("/api/v1/search/", {"q": "red"})
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:contextvision:problem:index-unusable"
        maintain()
        [job] = Job.objects.unfinished()
        run_job(job.pk)
        assert found(ask("red", limit=1)) == ["red"]


@pytest.mark.django_db(transaction=True)
def test_an_answer_comes_wholly_from_one_version_through_a_swap(
    indexed: dict[str, Image],
) -> None:
    first = get_engine()
    run(Job.Kind.INDEX)
    during = ask("red", limit=1)
    assert during.engine.version in {first.version, IndexVersion.objects.active()}
    engine_holder.wait_for_swap()
    assert get_engine().version == IndexVersion.objects.active() != first.version
    versions.make_active(first.version)
    get_engine()
    engine_holder.wait_for_swap()
    assert get_engine().version == first.version
    assert ImageEmbedding.objects.count() == len(indexed)


class TestOrder:
    def test_strong_matches_come_in_the_order_asked_for(self, indexed: dict[str, Image]) -> None:
        for shade in range(1, 5):
            add_picture("red", shade=shade, captions=())
        index_everything()
        strong = ask("red", limit=100).strong
        assert strong >= 5
        for sort, field, reverse in (
            ("-added", "created_at", True),
            ("title", "title", False),
        ):
            page = search_images(SearchQuery((Part(Words("red")),), sort=sort), user=None)
            values = [getattr(result.image, field) for result in page.results]
            assert values == sorted(values, reverse=reverse)
            assert len(values) == strong
            assert all(result.is_strong for result in page.results)

    def test_pictures_without_a_date_come_last(self, indexed: dict[str, Image]) -> None:
        dated, undated = indexed["red"], add_picture("red", shade=3, captions=())
        Image.objects.filter(pk=dated.pk).update(taken_at=timezone.now())
        index_everything()
        for sort in ("taken", "-taken"):
            page = search_images(SearchQuery((Part(Words("red")),), sort=sort), user=None)
            found = [result.image.pk for result in page.results]
            assert found.index(dated.pk) < found.index(undated.pk)

    def test_weaker_ones_than_asked_for_are_left_out(self, indexed: dict[str, Image]) -> None:
        everything = ask("red", limit=100)
        least = everything.results[1].relevance
        query = SearchQuery((Part(Words("red")),), min_relevance=least)
        found = search_images(query, user=None)
        assert 1 <= len(found.results) < len(everything.results)
        assert all(result.relevance >= least for result in found.results)
        assert not found.has_next
