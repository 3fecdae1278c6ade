"""Pictures and their captions for programs: lists, uploads, changes, who sees what."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gallery.models import Caption, Collection, Image, Job, Tag
from gallery.models.choices import Visibility
from tests.api.conftest import problem
from tests.encoders import COLOURS
from tests.pictures_of_colours import add_picture, colour_jpeg

pytestmark = pytest.mark.django_db
URL = "/api/v1/images/"
NOT_FOR_EVERYBODY = ("original", "owner", "source", "sha256")


def upload(colour: str = "red", *, name: str = "", shade: int = 0) -> SimpleUploadedFile:
    return SimpleUploadedFile(name or f"{colour}.jpg", colour_jpeg(colour, shade=shade))


def patch(client: Client, url: str, **changes: Any) -> Any:
    return client.patch(url, changes, content_type="application/json")


def detail(image: Image) -> str:
    return f"{URL}{image.pk}/"


@pytest.fixture
def picture(db: None) -> Image:
    return add_picture("red", captions=("A red square", "All of it is red"))


class TestList:
    def test_pages_lead_through_all_pictures_newest_first(self, client: Client, db: None) -> None:
        added = [add_picture(colour).pk for colour in COLOURS]
        seen: list[int] = []
        url: str | None = f"{URL}?limit=3"
        previous = None
        while url:
            page = client.get(url).json()
            seen += [item["id"] for item in page["results"]]
            previous, url = page["previous"], page["next"]
        assert seen == added[::-1]
        assert previous
        back = client.get(previous).json()["results"]
        assert [item["id"] for item in back] == seen[3:6]

    def test_a_page_stays_in_step_while_pictures_are_added(self, client: Client, db: None) -> None:
        old = [add_picture(colour).pk for colour in list(COLOURS)[:4]]
        first = client.get(f"{URL}?limit=2").json()
        add_picture("pink")
        second = client.get(first["next"]).json()
        shown = [item["id"] for item in (*first["results"], *second["results"])]
        assert shown == old[::-1]

    def test_filters(self, client: Client, staff_client: Client, db: None) -> None:
        red, blue, green = (add_picture(colour) for colour in ("red", "blue", "green"))
        shelf = Collection.objects.create(name="Shelf")
        Image.objects.filter(pk=red.pk).update(collection=shelf, split="validation")
        blue.tags.add(Tag.objects.create(name="sea"), Tag.objects.create(name="sky"))
        Image.objects.filter(pk=green.pk).update(visibility=Visibility.PRIVATE)

        def found(client: Client, **parameters: str) -> set[int]:
            page = client.get(URL, parameters).json()
            return {item["id"] for item in page["results"]}

        assert found(client, collection="Shelf") == {red.pk}
        assert found(client, split="validation") == {red.pk}
        assert found(client, tag="sea") == {blue.pk}
        assert found(client, title="LUE") == {blue.pk}
        assert found(client, collection="Shelf", tag="sea") == set()
        assert found(client, visibility="private") == set()
        assert found(staff_client, visibility="private") == {green.pk}

    def test_a_title_that_no_picture_can_have_is_refused(self, client: Client, db: None) -> None:
        add_picture("red")
        answer = client.get(URL, {"title": "red " * 25_000})
        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == ["title"]

    def test_orders(self, client: Client, db: None) -> None:
        early, late, undated = (add_picture(colour) for colour in ("red", "blue", "green"))
        twin = add_picture("pink")
        first, second = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
        Image.objects.filter(pk=early.pk).update(taken_at=first)
        Image.objects.filter(pk__in=[late.pk, twin.pk]).update(taken_at=second)

        def order(ordering: str) -> list[int]:
            ids: list[int] = []
            url: str | None = f"{URL}?limit=1&ordering={ordering}"
            while url:
                page = client.get(url).json()
                ids += [item["id"] for item in page["results"]]
                url = page["next"]
            return ids

        assert order("id") == [early.pk, late.pk, undated.pk, twin.pk]
        assert order("taken_at") == [early.pk, late.pk, twin.pk]
        assert order("-taken_at") == [twin.pk, late.pk, early.pk]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("ordering=colour", "ordering"),
            ("split=none", "split"),
            ("visibility=secret", "visibility"),
            ("limit=0", "limit"),
            ("limit=1000", "limit"),
            ("limit=ten", "limit"),
            ("cursor=zzz", "cursor"),
            ("cursor=cD1hYmM%3D", "cursor"),  # p=abc: no id
            ("ordering=taken_at&cursor=cD1hYmM%3D", "cursor"),  # p=abc: no date
            ("cursor=bz0tMQ%3D%3D", "cursor"),  # o=-1
            ("tag=%00", "tag"),
        ],
    )
    def test_what_makes_no_sense_names_the_field(
        self, client: Client, picture: Image, query: str, field: str
    ) -> None:
        assert list(problem(client.get(f"{URL}?{query}"), 400)["errors"]) == [field]

    @pytest.mark.parametrize("limit", [1, 20])
    def test_the_database_is_asked_a_fixed_number_of_times(
        self, client: Client, db: None, limit: int
    ) -> None:
        for shade in range(20):
            image = add_picture("red", shade=shade, captions=("one", "two"))
            image.tags.add(Tag.objects.get_or_create(name="a")[0])
        with CaptureQueriesContext(connection) as queries:
            page = client.get(f"{URL}?limit={limit}").json()
        assert len(page["results"]) == limit
        assert len(queries) == 3  # pictures, captions, tags


class TestOne:
    def test_what_is_told_of_a_picture(
        self, client: Client, staff_client: Client, picture: Image, staff: User
    ) -> None:
        Image.objects.filter(pk=picture.pk).update(owner=staff)
        body = client.get(detail(picture)).json()
        address = f"http://testserver/images/{picture.pk}"
        assert body["url"] == f"http://testserver{detail(picture)}"
        assert body["page"] == f"{address}/"
        assert body["thumbnail"] == f"{address}/thumbnail.webp"
        assert body["display"] == f"{address}/display.webp"
        assert (body["width"], body["height"], body["format"]) == (48, 40, "JPEG")
        assert body["captions"] == ["A red square", "All of it is red"]
        assert body["tags"] == []
        assert body["collection"] is None
        assert {body[name] for name in NOT_FOR_EVERYBODY} == {None}
        inside = staff_client.get(detail(picture)).json()
        assert inside["original"] == f"{address}/original"
        assert inside["owner"] == "staff"
        assert inside["sha256"] == picture.sha256
        assert inside["source"] == "red-0.jpg"

    def test_a_private_picture_is_not_there_for_others(
        self,
        client: Client,
        member_client: Client,
        staff_client: Client,
        member: User,
        picture: Image,
    ) -> None:
        Image.objects.filter(pk=picture.pk).update(visibility=Visibility.PRIVATE)
        hidden = problem(client.get(detail(picture)), 404)
        assert hidden == problem(client.get(f"{URL}987654/"), 404)
        problem(member_client.get(detail(picture)), 404)
        assert staff_client.get(detail(picture)).status_code == 200
        Image.objects.filter(pk=picture.pk).update(owner=member)
        assert member_client.get(detail(picture)).status_code == 200


class TestUpload:
    def test_a_new_picture_answers_with_it_and_the_job_that_embeds_it(
        self, staff_client: Client, staff: User
    ) -> None:
        response = staff_client.post(
            URL,
            {
                "file": upload(name="two dogs.jpg"),
                "captions": ["Two dogs", "On  a\nbeach"],
                "tags": ["dog", "sea"],
                "collection": "Holidays",
                "visibility": "private",
            },
        )
        assert response.status_code == 201, response.content
        body = response.json()
        [result] = body["results"]
        image = Image.objects.get()
        assert result["outcome"] == "created"
        assert result["name"] == "two dogs.jpg"
        assert result["error"] == ""
        assert response["Location"] == result["image"]["url"]
        assert result["image"]["id"] == image.pk
        assert result["image"]["captions"] == ["Two dogs", "On a beach"]
        assert result["image"]["tags"] == ["dog", "sea"]
        assert result["image"]["collection"] == "Holidays"
        assert (image.title, image.visibility, image.owner) == ("two dogs", "private", staff)
        job = Job.objects.get()
        assert body["job"]["id"] == job.pk
        assert (job.kind, job.created_by) == (Job.Kind.EMBED, staff)
        assert job.params == {"images": [image.pk]}
        assert image.captions.get(order=0).source == Caption.Source.PERSON

    def test_the_same_bytes_answer_with_the_picture_that_is_there(
        self, staff_client: Client, picture: Image
    ) -> None:
        response = staff_client.post(URL, {"file": upload(name="again.jpg")})
        assert response.status_code == 200
        body = response.json()
        assert body["results"][0]["outcome"] == "duplicate"
        assert body["results"][0]["image"]["id"] == picture.pk
        assert body["job"] is None
        assert not Job.objects.exists()

    def test_several_files_are_judged_each_by_itself(
        self, staff_client: Client, picture: Image
    ) -> None:
        notes = SimpleUploadedFile("notes.txt", b"buy milk")
        response = staff_client.post(URL, {"file": [upload("blue"), notes, upload("red")]})
        assert response.status_code == 201
        body = response.json()
        outcomes = [result["outcome"] for result in body["results"]]
        assert outcomes == ["created", "rejected", "duplicate"]
        assert body["results"][1]["image"] is None
        assert "notes.txt" in body["results"][1]["error"]
        assert Image.objects.count() == 2

    def test_where_nothing_is_accepted_the_answer_is_a_problem(
        self, staff_client: Client, settings: Any, data_dir: Path
    ) -> None:
        notes = SimpleUploadedFile("notes.txt", b"buy milk")
        body = problem(staff_client.post(URL, {"file": notes}), 422)
        assert list(body["errors"]) == ["notes.txt"]
        settings.CONTEXTVISION_UPLOAD_MAX_BYTES = 100
        body = problem(staff_client.post(URL, {"file": upload()}), 413)
        assert "red.jpg" in body["detail"]
        assert not Image.objects.exists()
        assert not [path for path in (data_dir / "media").rglob("*") if path.is_file()]

    def test_what_is_missing_or_of_another_content_type(self, staff_client: Client) -> None:
        assert list(problem(staff_client.post(URL, {}), 400)["errors"]) == ["file"]
        as_json = staff_client.post(URL, {"file": "red"}, content_type="application/json")
        problem(as_json, 415)

    def test_only_staff_may(self, client: Client, member_client: Client) -> None:
        response = client.post(URL, {"file": upload()})
        problem(response, 401)
        assert response["WWW-Authenticate"] == "Token"
        problem(member_client.post(URL, {"file": upload()}), 403)
        assert not Image.objects.exists()


class TestChange:
    def test_only_what_is_named_changes(self, staff_client: Client, picture: Image) -> None:
        picture.tags.add(Tag.objects.create(name="old"))
        body = patch(staff_client, detail(picture), title="Square").json()
        assert (body["title"], body["tags"]) == ("Square", ["old"])
        assert body["captions"] == ["A red square", "All of it is red"]
        body = patch(
            staff_client,
            detail(picture),
            tags=["new", "newer"],
            collection="Shelf",
            visibility="private",
            taken_at="2020-02-03T04:05:06Z",
            captions=["All of it is red", "Nothing else"],
        ).json()
        assert body["tags"] == ["new", "newer"]
        assert body["collection"] == "Shelf"
        assert body["visibility"] == "private"
        assert body["taken_at"] == "2020-02-03T04:05:06Z"
        assert body["captions"] == ["All of it is red", "Nothing else"]
        assert body["title"] == "Square"
        body = patch(staff_client, detail(picture), collection="", taken_at=None, tags=[]).json()
        assert (body["collection"], body["taken_at"], body["tags"]) == (None, None, [])

    def test_wrong_values_name_their_fields_and_nothing_changes(
        self, staff_client: Client, picture: Image
    ) -> None:
        response = patch(
            staff_client,
            detail(picture),
            title="New",
            visibility="secret",
            captions=["fine", "\u202e "],
            tags=["x" * 101],
        )
        body = problem(response, 400)
        assert set(body["errors"]) == {"visibility", "captions.1", "tags.0"}
        picture.refresh_from_db()
        assert picture.title == "red-0"

    @pytest.mark.parametrize("method", ["put", "trace", "options"])
    def test_other_methods_are_refused(
        self, staff_client: Client, picture: Image, method: str
    ) -> None:
        response = staff_client.generic(method.upper(), detail(picture))
        problem(response, 405)
        assert "PATCH" in response["Allow"]

    def test_delete_takes_the_files_too(
        self,
        staff_client: Client,
        picture: Image,
        data_dir: Path,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            assert staff_client.delete(detail(picture)).status_code == 204
        problem(staff_client.get(detail(picture)), 404)
        assert not [path for path in (data_dir / "media").rglob("*") if path.is_file()]

    def test_only_staff_may(self, client: Client, member_client: Client, picture: Image) -> None:
        for ask in (patch, lambda client, url: client.delete(url)):
            problem(ask(client, detail(picture)), 401)
            problem(ask(member_client, detail(picture)), 403)
        assert Image.objects.count() == 1


class TestCaptions:
    def url(self, image: Image, caption: Caption | None = None) -> str:
        return f"{detail(image)}captions/" + (f"{caption.pk}/" if caption else "")

    def test_reading_adding_changing_and_deleting(
        self, client: Client, staff_client: Client, picture: Image
    ) -> None:
        texts = [item["text"] for item in client.get(self.url(picture)).json()]
        assert texts == ["A red square", "All of it is red"]
        added = staff_client.post(self.url(picture), {"text": " One\tmore "})
        assert added.status_code == 415  # not as a form
        added = staff_client.post(
            self.url(picture), {"text": " One\tmore "}, content_type="application/json"
        )
        assert added.status_code == 201
        assert added.json() == {
            "id": picture.captions.get(order=2).pk,
            "text": "One more",
            "order": 2,
            "source": "person",
        }
        first = picture.captions.get(order=0)
        changed = patch(staff_client, self.url(picture, first), text="A crimson square")
        assert changed.json()["text"] == "A crimson square"
        assert changed.json()["order"] == 0
        assert changed.json()["source"] == "person"
        assert staff_client.delete(self.url(picture, first)).status_code == 204
        assert [caption.order for caption in picture.captions.all()] == [1, 2]

    def test_a_caption_belongs_to_its_picture(self, client: Client, picture: Image) -> None:
        other = add_picture("blue", captions=("Blue",))
        problem(client.get(self.url(picture, other.captions.get())), 404)

    def test_captions_of_a_hidden_picture_are_hidden(self, client: Client, picture: Image) -> None:
        Image.objects.filter(pk=picture.pk).update(visibility=Visibility.PRIVATE)
        problem(client.get(self.url(picture)), 404)
        problem(client.get(self.url(picture, picture.captions.first())), 404)

    def test_only_staff_may_write(self, member_client: Client, picture: Image) -> None:
        caption = picture.captions.get(order=0)
        problem(patch(member_client, self.url(picture, caption), text="Mine"), 403)
        problem(member_client.delete(self.url(picture, caption)), 403)
        assert picture.captions.count() == 2

    def test_an_empty_caption_is_refused(self, staff_client: Client, picture: Image) -> None:
        for text in ("", "  ", None):
            response = staff_client.post(
                self.url(picture), {"text": text}, content_type="application/json"
            )
            assert list(problem(response, 400)["errors"]) == ["text"]
