"""The search for programs: shape, ways to ask, pages, and what cannot be asked."""

import base64
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gallery.models import Collection, Image, IndexVersion, Tag
from gallery.models.choices import Visibility
from tests.api.conftest import problem
from tests.encoders import ColourEncoder
from tests.index_files import folder_of
from tests.pictures_of_colours import add_picture, colour_jpeg, index_everything
from tests.search.busy import every_place_taken

pytestmark = pytest.mark.django_db
URL = "/api/v1/search/"


def titles(answer: dict[str, Any]) -> list[str]:
    return [result["image"]["title"].split("-")[0] for result in answer["results"]]


def ask(client: Client, **parameters: Any) -> dict[str, Any]:
    response = client.get(URL, parameters)
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = response.json()
    return answer


def example(colour: str = "green") -> SimpleUploadedFile:
    return SimpleUploadedFile("example.jpg", colour_jpeg(colour, shade=12))


def test_the_answer_has_exactly_the_documented_shape(
    client: Client, indexed: dict[str, Image], colours: ColourEncoder
) -> None:
    answer = ask(client, q="something red", limit=1)
    red, live = indexed["red"], IndexVersion.objects.get()
    timing = answer.pop("timing_ms")
    [result] = answer.pop("results")
    similarity, relevance = result.pop("similarity"), result.pop("relevance")
    assert 0.95 < similarity <= 1
    assert round(similarity, 3) == similarity
    assert 0.99 < relevance <= 1
    kinds = [each["kind"] for each in result.pop("evidence")]
    assert kinds[0] == "picture"
    assert result == {
        "is_strong": True,
        "image": {
            "id": red.pk,
            "url": f"http://testserver/api/v1/images/{red.pk}/",
            "thumbnail": f"http://testserver/images/{red.pk}/thumbnail.webp",
            "title": "red-0",
            "captions": ["all red"],
        },
    }
    assert answer == {
        "model": {"name": "colours", "fingerprint": colours.fingerprint},
        "index": live.pk,
        "next": "http://testserver/api/v1/search/?limit=1&offset=1&q=something+red",
        "searched": len(indexed),
        "strong": answer["strong"],
        "notices": [],
        "offers": [],
    }
    assert 1 <= answer["strong"] < len(indexed)
    assert set(timing) == {"encode", "lookup", "records", "total"}
    assert all(milliseconds >= 0 for milliseconds in timing.values())
    assert client.get(result["image"]["url"]).status_code == 200
    assert client.get(result["image"]["thumbnail"]).status_code == 200


def test_what_a_sentence_calls_unwanted_is_offered_to_be_left_out(
    client: Client, indexed: dict[str, Image]
) -> None:
    answer = ask(client, q="all red without blue", limit=2)
    [offer] = answer["offers"]
    assert offer == {
        "code": "search.offer_without",
        "text": "Leave out what looks like “blue”",
        "url": "http://testserver/api/v1/search/?q=all+red&without=blue&limit=2",
    }
    followed = client.get(offer["url"]).json()
    assert (titles(followed)[0], followed["offers"]) == ("red", [])
    assert ask(client, q="all red", limit=2)["offers"] == []


def test_following_next_passes_every_picture_once(
    client: Client, indexed: dict[str, Image]
) -> None:
    whole = titles(ask(client, q="red", limit=100))
    paged: list[str] = []
    url: str | None = f"{URL}?q=red&limit=3"
    while url:
        answer = client.get(url).json()
        paged += titles(answer)
        url = answer["next"]
    assert paged == whole
    assert len(whole) == len(indexed)


def test_a_picture_can_be_sent_as_a_form_or_as_json(
    client: Client, indexed: dict[str, Image]
) -> None:
    form = client.post(URL, {"image": example(), "limit": 1})
    assert titles(form.json()) == ["green"]
    encoded = base64.b64encode(colour_jpeg("green", shade=12)).decode()
    as_json = client.post(URL, {"image": encoded, "limit": 1}, content_type="application/json")
    assert as_json.json()["results"] == form.json()["results"]


def test_the_next_page_of_a_sent_picture_takes_the_same_body(
    client: Client, indexed: dict[str, Image]
) -> None:
    first = client.post(URL, {"image": example(), "limit": 3}).json()
    assert first["next"] == "http://testserver/api/v1/search/?limit=3&offset=3"
    second = client.post(first["next"], {"image": example(), "limit": 3}).json()
    whole = client.post(URL, {"image": example(), "limit": 6}).json()
    assert titles(first) + titles(second) == titles(whole)


def test_words_and_a_picture_with_a_weight(client: Client, indexed: dict[str, Image]) -> None:
    for weight, expected in ((1, "blue"), (0, "green")):
        answer = client.post(URL, {"q": "blue", "image": example(), "weight": weight, "limit": 1})
        assert titles(answer.json()) == [expected]


def test_parts_are_weighed(client: Client, indexed: dict[str, Image]) -> None:
    heavy = {"q": ["red^10", "blue^0.1"], "limit": 1}
    assert titles(ask(client, **heavy)) == ["red"]
    body = {"q": ["red^0.1", "blue^10"], "unlike": [indexed["cyan"].pk], "limit": 1}
    posted = client.post(URL, body, content_type="application/json")
    assert titles(posted.json()) == ["blue"]
    wrong = problem(client.get(URL, {"q": "red^99"}), 400)
    assert wrong["errors"] == {"q": ["The weight 99 is not between 0.01 and 10."]}
    problem(client.post(URL, {"q": [1.5]}, content_type="application/json"), 400)


def test_more_like_less_like_and_without(client: Client, indexed: dict[str, Image]) -> None:
    twin = add_picture("red", shade=9)
    index_everything()
    like = ask(client, like=indexed["red"].pk, limit=1)
    assert like["results"][0]["image"]["id"] == twin.pk
    assert "blue" not in titles(ask(client, q="red blue", without="blue", limit=3))
    unlike = ask(client, q="red blue", unlike=indexed["blue"].pk, limit=8)
    assert titles(unlike)[0] == "red"


def test_filters_hold_and_leave_a_full_page(client: Client, indexed: dict[str, Image]) -> None:
    shelf = Collection.objects.create(name="Shelf")
    kept = [indexed[colour].pk for colour in ("blue", "cyan")]
    Image.objects.filter(pk__in=kept).update(collection=shelf, split="validation")
    indexed["cyan"].tags.add(Tag.objects.create(name="sea"))
    assert set(titles(ask(client, q="red", collection="Shelf", limit=2))) == {"blue", "cyan"}
    assert set(titles(ask(client, q="red", split="validation"))) == {"blue", "cyan"}
    assert titles(ask(client, q="red", tag="sea")) == ["cyan"]
    assert ask(client, q="red", tag="nothing has it")["results"] == []
    assert titles(ask(client, q="red", colour="blue", limit=1)) == ["blue"]
    assert ask(client, q="red", until="1999")["results"] == []


def test_private_pictures_are_for_their_owner_and_staff(
    client: Client,
    member_client: Client,
    staff_client: Client,
    member: User,
    indexed: dict[str, Image],
) -> None:
    red = indexed["red"]
    Image.objects.filter(pk=red.pk).update(visibility=Visibility.PRIVATE, owner=member)
    assert "red" not in titles(ask(client, q="red", limit=100))
    assert titles(ask(member_client, q="red", limit=1)) == ["red"]
    assert titles(ask(staff_client, q="red", limit=1)) == ["red"]
    refused = problem(client.get(URL, {"like": red.pk}), 404)
    missing = problem(client.get(URL, {"like": 987_654}), 404)
    assert refused["detail"].replace(str(red.pk), "#") == missing["detail"].replace("987654", "#")


@pytest.mark.parametrize(
    ("limit", "offset", "asked"), [(1, 0, 6), (30, 0, 6), (1, 5, 6), (25, 5, 6)]
)
def test_the_database_is_asked_a_fixed_number_of_times(
    client: Client, indexed: dict[str, Image], limit: int, offset: int, asked: int
) -> None:
    for shade in range(1, 30):
        add_picture("red", shade=shade, captions=("one", "two"))
    index_everything()
    ask(client, q="warm up")
    with CaptureQueriesContext(connection) as queries:
        answer = ask(client, q="red", limit=limit, offset=offset)
    assert len(answer["results"]) == limit
    # The live index, two for the words, the pictures that may be seen with what is written on them,
    # those on the page, and their captions.
    assert len(queries) == asked, [query["sql"] for query in queries]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"q": "red", "limit": 0}, "limit"),
        ({"q": "red", "limit": 101}, "limit"),
        ({"q": "red", "limit": "many"}, "limit"),
        ({"q": "red", "offset": -1}, "offset"),
        ({"q": "red", "offset": 10_001}, "offset"),
        ({"q": "red", "weight": "nan"}, "weight"),
        ({"q": "red", "weight": 2}, "weight"),
        ({"q": "red", "split": "tset"}, "split"),
        ({"q": "x" * 301}, "q"),
        ({"like": "red"}, "like"),
    ],
)
def test_what_makes_no_sense_names_the_field(
    client: Client, indexed: dict[str, Image], parameters: dict[str, Any], field: str
) -> None:
    body = problem(client.get(URL, parameters), 400)
    assert body["type"] == "urn:contextvision:problem:invalid-input"
    assert list(body["errors"]) == [field]


def test_nothing_asked_is_an_invalid_query(client: Client, indexed: dict[str, Image]) -> None:
    for response in (
        client.get(URL),
        client.get(URL, {"q": " \u200b "}),
        client.post(URL, {}, content_type="application/json"),
        client.get(URL, {"without": ""}),
    ):
        assert problem(response, 400)["type"] == "urn:contextvision:problem:invalid-query"


def test_what_is_no_picture_is_refused_in_words(client: Client, indexed: dict[str, Image]) -> None:
    notes = SimpleUploadedFile("notes.txt", b"buy milk")
    body = problem(client.post(URL, {"image": notes}), 422)
    assert body["type"] == "urn:contextvision:problem:picture-rejected"
    assert "notes.txt" in body["detail"]
    wrong = client.post(URL, {"image": "not base64!"}, content_type="application/json")
    assert problem(wrong, 400)["errors"] == {"image": ["This is not base64."]}


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(
    client: Client, indexed: dict[str, Image], settings: Any
) -> None:
    settings.CONTEXTVISION_QUERY_MAX_BYTES = 1000
    a_little = SimpleUploadedFile("a.jpg", b"x" * 2000)
    assert "limit is 1,000" in problem(client.post(URL, {"image": a_little}), 413)["detail"]
    far = SimpleUploadedFile("b.jpg", b"x" * 200_000)
    problem(client.post(URL, {"image": far}), 413)
    as_json = client.post(URL, {"image": "x" * 200_000}, content_type="application/json")
    problem(as_json, 413)


def test_without_an_index_the_answer_is_not_now(client: Client, colours: ColourEncoder) -> None:
    response = client.get(URL, {"q": "red"})
    body = problem(response, 503)
    assert body["type"] == "urn:contextvision:problem:no-active-index"
    assert int(response["Retry-After"]) > 0


def test_a_full_queue_is_not_now(client: Client, indexed: dict[str, Image]) -> None:
    ask(client, q="red")
    with every_place_taken():
        response = client.get(URL, {"q": "blue"})
    assert problem(response, 503)["type"] == "urn:contextvision:problem:busy"
    assert int(response["Retry-After"]) > 0
    ask(client, q="blue")


def test_words_that_were_asked_before_need_no_place(
    client: Client, indexed: dict[str, Image]
) -> None:
    ask(client, q="red")
    with every_place_taken():
        ask(client, q="red")


def test_a_model_that_is_gone_is_not_now(
    client: Client,
    staff_client: Client,
    indexed: dict[str, Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import mlcore.encoders.cache
    from mlcore.errors import ModelUnavailableError
    from search.engine import engine_holder

    def gone(reference: str, **options: Any) -> None:
        raise ModelUnavailableError(f"{reference}: there is no such folder.")

    engine_holder.reset()
    mlcore.encoders.cache.forget_encoders()
    monkeypatch.setattr(mlcore.encoders.cache, "load_encoder", gone)
    body = problem(client.get(URL, {"q": "red"}), 503)
    assert body["type"] == "urn:contextvision:problem:model-unavailable"
    assert "folder" not in body["detail"]
    assert "no such folder" in problem(staff_client.get(URL, {"q": "red"}), 503)["detail"]


def test_an_index_that_is_impaired_is_told_and_staff_are_told_where(
    client: Client, staff_client: Client, indexed: dict[str, Image], data_dir: Path
) -> None:
    (folder_of(IndexVersion.objects.get()) / "ids.npy").unlink()
    answer = ask(client, q="red", limit=1)
    assert titles(answer) == ["red"]
    assert len(answer["notices"]) == 1
    assert str(data_dir) not in str(answer)
    assert str(data_dir) in str(ask(staff_client, q="red")["notices"])
