"""The OpenAPI schema: complete, without warnings, and true of what the API does.

Schemathesis makes requests from the schema, of sensible and of senseless values, and holds every
answer against it: no 5xx, only documented statuses and content types, bodies of the told shape.
"""

import json
import re
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, Phase, given, settings, strategies
from hypothesis.strategies import SearchStrategy
from knox.models import AuthToken
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gallery.api import learning, problems
from gallery.api import views as gallery_views
from gallery.api.problems import ProblemKind
from gallery.models import (
    Evaluation,
    Failure,
    Image,
    IndexVersion,
    Job,
    ModelVersion,
    SavedQuerySet,
    SyncSource,
)
from mlcore.i18n import Message
from search.api.views import SearchView
from tests.learning import measured, query_set
from tests.pictures_of_colours import add_picture
from tests.services import REPOSITORY, effort

CASES = 5 * effort()
"""Requests for each operation and role."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_the_schema_is_made_without_a_warning() -> None:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    assert "openapi: 3" in out.getvalue()


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    out = StringIO()
    call_command("spectacular", "--format", "openapi-json", stdout=out)
    loaded: dict[str, Any] = json.loads(out.getvalue())
    return loaded


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_operation_says_what_it_does_and_how_it_fails(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation.get("summary") or operation.get("description"), where
        responses = operation["responses"]
        assert {"401", "429", "503"} <= set(responses), where
        for status, response in responses.items():
            if status.startswith("2"):
                assert response.get("content") or status == "204", where
            else:
                [(media_type, body)] = response["content"].items()
                assert media_type == "application/problem+json", where
                assert body["schema"] == {"$ref": "#/components/schemas/Problem"}, where
        assert "Retry-After" in responses["429"]["headers"], where
        if "requestBody" in operation:
            assert {"400", "413", "415", "507"} <= set(responses), where


def test_the_page_about_the_api_lists_what_there_is(document: dict[str, Any]) -> None:
    page = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(/api/[^`]+)` \| ([^|]+) \|", page, re.MULTILINE))
    assert set(rows) == set(document["paths"])
    for path, methods in document["paths"].items():
        assert {*re.findall(r"[A-Z]{3,}", rows[path])} == {method.upper() for method in methods}
    told = set(re.findall(r"^\| `([a-z-]+)` \| [0-9, ]+ \|", page, re.MULTILINE))
    assert told == {kind.name for kind in problem_kinds()}


def problem_kinds() -> Iterator[ProblemKind]:
    """Every kind that a module of the API defines."""
    for module in (problems, gallery_views, learning):
        yield from (value for value in vars(module).values() if isinstance(value, ProblemKind))
    yield from SearchView.problem_kinds.values()


def test_there_are_examples_of_what_people_ask_first(document: dict[str, Any]) -> None:
    search = document["paths"]["/api/v1/search/"]
    assert search["get"]["responses"]["200"]["content"]["application/json"]["examples"]
    assert search["post"]["requestBody"]["content"]["application/json"]["examples"]
    token = document["paths"]["/api/v1/auth/token/"]["post"]
    assert token["requestBody"]["content"]["application/json"]["examples"]


def test_what_is_for_everybody_says_so(document: dict[str, Any]) -> None:
    open_to_all = {
        f"{method} {path}"
        for path, method, operation in operations(document)
        if {} in operation.get("security", [])
    }
    assert open_to_all == {
        "get /api/v1/search/",
        "post /api/v1/search/",
        "post /api/v1/auth/token/",
        "get /api/v1/images/",
        "get /api/v1/images/{id}/",
        "get /api/v1/images/{image_pk}/captions/",
        "get /api/v1/images/{image_pk}/captions/{id}/",
    }


@pytest.mark.django_db
def test_the_schema_is_served_as_yaml_and_json(client: Client) -> None:
    assert b"openapi: 3" in client.get("/api/v1/schema/").content
    as_json = client.get("/api/v1/schema/?format=json")
    assert as_json["Content-Type"] == "application/vnd.oai.openapi+json"
    assert "/api/v1/search/" in as_json.json()["paths"]


@pytest.mark.django_db
def test_the_page_of_the_schema_needs_nothing_from_elsewhere(client: Client) -> None:
    response = client.get(reverse("api:docs"))
    assert response.status_code == 200
    html = response.content.decode()
    assert "https://" not in html
    assert "<script>" not in html
    for name in ("swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "swagger-ui.css"):
        assert f"/static/drf_spectacular_sidecar/swagger-ui-dist/{name}" in html
    policy = response["Content-Security-Policy"]
    assert "style-src 'self' 'unsafe-inline'" in policy
    assert "script-src 'self'" in [part.strip() for part in policy.split(";")]
    script = client.get(f"{reverse('api:docs')}?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert b"/api/v1/schema/" in script.content
    assert "unsafe-inline" not in client.get("/api/v1/schema/")["Content-Security-Policy"]
    assert client.get("/api/v1/")["Location"] == reverse("api:docs")


# --- Whether it is true ----------------------------------------------------------------------


@pytest.fixture
def _connection_is_kept() -> Iterator[None]:
    """Requests leave the test's transaction open, as they do with Django's own client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def api(indexed: dict[str, Image], _connection_is_kept: None) -> Any:
    """The schema as it is served, of a site with something in it."""
    add_picture("red", shade=7, visibility="private", captions=("Nobody sees this",))
    Job.objects.create(
        kind=Job.Kind.EMBED, status=Job.Status.FAILED, error=Message("No space left.")
    )
    Failure.objects.record(Failure.Stage.IMPORT, "old.jpg", Message("It is damaged."))
    measured(ModelVersion.objects.get(), {"a red square": (indexed["red"], 1)})
    query_set({"red": [indexed["red"]]})
    SyncSource.objects.create(address="s3://camera/in")
    return schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", get_wsgi_application())


@pytest.mark.timeout(300 * effort())  # seconds
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("role", ["anonymous", "member", "staff"])
def test_the_api_does_what_the_schema_says(
    role: str,
    mode: GenerationMode,
    api: Any,
    staff: User,
    member: User,
    record_property: Callable[[str, object], None],
) -> None:
    headers = {}
    if role != "anonymous":
        _, token = AuthToken.objects.create({"staff": staff, "member": member}[role])
        headers["Authorization"] = f"Token {token}"
    checked = requests = 0
    for found in api.get_all_operations():
        operation = found.ok()
        takes_input = any(
            operation.definition.raw.get(key) for key in ("parameters", "requestBody")
        )
        if mode is GenerationMode.NEGATIVE and not takes_input:
            continue  # there is nothing to get wrong
        cases = operation.as_strategy(generation_mode=mode)
        requests += _check_operation(cases, _existing(operation.path), headers)
        checked += 1
    assert checked >= 20
    record_property("requests", requests)  # pytest --junit-xml FILE tells how many there were


def _existing(path: str) -> dict[str, int]:
    """Ids of what is there, for the parameters of a path: else most cases would end at 404."""
    image = Image.objects.earliest("pk")
    if "{image_pk}" in path:
        return {"image_pk": image.pk, "id": image.captions.get().pk}
    if "{source_pk}" in path:
        return {"source_pk": SyncSource.objects.earliest("pk").pk}
    kind = path.split("/")[3]
    there: dict[str, type[Model]] = {
        "images": Image,
        "jobs": Job,
        "failures": Failure,
        "models": ModelVersion,
        "indexes": IndexVersion,
        "evaluations": Evaluation,
        "query-sets": SavedQuerySet,
        "sources": SyncSource,
    }
    return {"id": there[kind]._default_manager.earliest("pk").pk} if "{id}" in path else {}


def _check_operation(
    cases: SearchStrategy[Any], existing: dict[str, int], headers: dict[str, str]
) -> int:
    """Make requests, and return how many."""
    made = 0

    @given(case=cases, is_there=strategies.booleans())
    @settings(
        max_examples=CASES,
        phases=[Phase.generate],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def answers_as_told(case: Any, is_there: bool) -> None:
        nonlocal made
        made += 1
        if is_there:
            case.path_parameters.update(
                {name: pk for name, pk in existing.items() if name in case.path_parameters}
            )
        # A case must not live on what the one before it left behind.
        with transaction.atomic():
            case.call_and_validate(headers=headers, checks=CHECKS)
            transaction.set_rollback(True)

    answers_as_told()
    return made
