"""Whatever goes wrong under /api/ is told in one shape, and never with a stack trace."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from gallery.models import Image
from mlcore import errors
from tests.api.conftest import problem

pytestmark = pytest.mark.django_db
SEARCH = "/api/v1/search/"


@pytest.mark.parametrize(
    "path",
    ["/api/", "/api/v2/search/", "/api/v1/nothing/", "/api/v1/images/abc/", "/api/v1/images/-1/"],
)
def test_an_unknown_address(client: Client, path: str) -> None:
    body = problem(client.get(path), 404)
    assert body["type"] == "about:blank"
    assert body["title"] == "Not Found"


def test_an_id_that_no_database_could_hold(client: Client) -> None:
    problem(client.get(f"/api/v1/images/{10**30}/"), 404)
    problem(client.get(SEARCH, {"q": "x", "like": str(10**30)}), 400)


def test_a_missing_slash_is_added(client: Client) -> None:
    response = client.get("/api/v1/search?q=red")
    assert response.status_code == 301
    assert response["Location"] == "/api/v1/search/?q=red"


def test_methods_content_types_and_formats(client: Client) -> None:
    assert problem(client.delete(SEARCH), 405)["title"] == "Method Not Allowed"
    problem(client.post(SEARCH, "<q/>", content_type="application/xml"), 415)
    problem(client.post(SEARCH, "q=red", content_type="application/x-www-form-urlencoded"), 415)
    problem(client.get(SEARCH, {"q": "red"}, headers={"Accept": "image/png"}), 406)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"q": NaN}',
        b"[" * 100_000,
        b'{"q":' * 50_000,
        b'{"limit": ' + b"9" * 5000 + b"}",
        b'{"q": "\\ud800"}',
        b'{"tag": "\\u0000", "q": "x"}',
        b'{"q": "x", "tag": "\\ud800"}',
        b"null",
        b"[]",
        b'{"q": [["red"]]}',
        b'{"q": {"a": 1}}',
    ],
    ids=range(13),
)
def test_json_that_is_none(client: Client, body: bytes) -> None:
    problem(client.post(SEARCH, body, content_type="application/json"), 400)


@pytest.mark.parametrize("charset", ["bz2_codec", "rot13"])
def test_a_charset_that_is_none(client: Client, charset: str) -> None:
    kind = f"application/json; charset={charset}"
    problem(client.generic("POST", SEARCH, b'{"q": "red"}', content_type=kind), 400)


def test_a_form_that_is_none(client: Client) -> None:
    problem(client.post(SEARCH, b"x", content_type="multipart/form-data"), 400)
    kind = "multipart/form-data; boundary=a"
    assert client.post(SEARCH, b"--a\r\nbroken", content_type=kind).status_code == 400


def test_more_than_is_read(client: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    body = {"username": "a", "password": "b" * 2000}
    problem(client.post("/api/v1/auth/token/", body, content_type="application/json"), 413)
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3
    fields = {f"f{number}": "x" for number in range(5)}
    problem(client.post(SEARCH, fields), 413)


def test_an_outage_of_the_database(client: Client) -> None:
    def refuse(*arguments: Any) -> None:
        raise OperationalError("connection to server at 10.0.0.5 refused for user admin")

    with connection.execute_wrapper(refuse):
        response = client.get(SEARCH, {"q": "red"})
    body = problem(response, 503)
    assert "database" in body["detail"]
    assert "10.0.0.5" not in str(body)
    assert int(response["Retry-After"]) > 0


def test_a_defect_tells_nothing_of_itself(
    client: Client, indexed: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **options: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("search.api.views.search_images", broken)
    client.raise_request_exception = False
    body = problem(client.get(SEARCH, {"q": "red"}), 500)
    assert "secret" not in str(body)


def test_problems_of_the_schema_and_its_page_have_the_shape_too(client: Client) -> None:
    problem(client.delete("/api/v1/schema/"), 405)
    problem(client.delete("/api/v1/docs/"), 405)
    problem(client.get("/api/v1/schema/", headers={"Accept": "image/png"}), 406)


def test_every_failure_that_a_search_may_meet_has_a_kind() -> None:
    from gallery.api.problems import PROBLEM_KINDS
    from gallery.disk import DiskFullError
    from gallery.examples import ExampleGoneError
    from gallery.vectors.errors import VectorStoreError, VectorStoreUnavailableError
    from search.api.views import SearchView
    from search.engine import BusyError, ModelLoadingError, NoActiveIndexError
    from search.services import UnknownImageError

    told = {
        DiskFullError,
        errors.InvalidQueryError,
        errors.ImageRejectedError,
        errors.ModelUnavailableError,
        errors.IndexFileError,
        errors.IndexMismatchError,
        BusyError,
        ExampleGoneError,
        ModelLoadingError,
        NoActiveIndexError,
        UnknownImageError,
        VectorStoreError,
        VectorStoreUnavailableError,
    }
    assert told == {*PROBLEM_KINDS, *SearchView.problem_kinds}
