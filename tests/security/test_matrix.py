"""Who may do what: every address of the site, for every role, on public and on private pictures.

An address that is not in the table fails the test: whoever adds one decides here who may use it.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from PIL import Image as Picture

from gallery.examples import keep_example
from gallery.models import (
    Evaluation,
    Failure,
    Image,
    IndexVersion,
    Job,
    ModelVersion,
    SavedQuerySet,
    SavedSearch,
)
from gallery.models.image import Visibility
from mlcore.images import THUMBNAIL_SIDE
from tests.encoders import ColourEncoder
from tests.learning import COMPOSITION, candidate, measured, query_set, training
from tests.pictures_of_colours import add_picture, colour_jpeg, index_everything, run

pytestmark = pytest.mark.django_db

ROLES = ("anonymous", "member", "owner", "staff", "superuser")
SECRET = "words that only the owner may read"


@dataclass(frozen=True)
class Site:
    """A gallery with one public and one private picture, both of the same owner."""

    pictures: dict[str, Image]
    job: Job
    failure: Failure
    model: ModelVersion
    index: IndexVersion
    candidate: ModelVersion
    training: Job
    evaluation: Evaluation
    query_set: SavedQuerySet
    saved_search: SavedSearch
    example: str
    users: dict[str, User | AnonymousUser]

    def client(self, role: str, **options: Any) -> Client:
        client = Client(**options)
        user = self.users[role]
        if isinstance(user, User):
            client.force_login(user)
        return client


@pytest.fixture
def site(colours: ColourEncoder, db: None) -> Site:
    people = {
        "member": User.objects.create_user("member"),
        "owner": User.objects.create_user("owner"),
        "staff": User.objects.create_user("staff", is_staff=True),
        "superuser": User.objects.create_superuser("superuser"),
    }
    pictures = {
        visibility: add_picture(
            "red", shade=shade, captions=(SECRET,), owner=people["owner"], visibility=visibility
        )
        for shade, visibility in enumerate(Visibility.values)
    }
    add_picture("blue")
    index_everything()
    run(Job.Kind.INDEX)
    image = Image.objects.latest("pk")
    Failure.objects.record(Failure.Stage.EMBED, "A picture", "It is damaged.", image=image)
    job, model = Job.objects.latest("pk"), ModelVersion.objects.get()
    private = pictures["private"]
    asked = {SECRET: (private, 3)}
    return Site(
        pictures=pictures,
        job=job,
        candidate=candidate(model, passed=True),
        training=training(),
        evaluation=measured(model, asked, composition=COMPOSITION, top=list(pictures.values())),
        query_set=query_set({SECRET: [private]}),
        saved_search=SavedSearch.objects.create(owner=people["owner"], name="Red", query="q=red"),
        example=keep_example(Picture.new("RGB", (8, 8))),
        failure=Failure.objects.get(),
        model=model,
        index=IndexVersion.objects.earliest("pk"),
        users={"anonymous": AnonymousUser(), **people},
    )


# --- The rules -------------------------------------------------------------------------------

Rule = Callable[[str, str], str]
"""From role and visibility to what happens: ok, hidden (404), log in, refused (403 or 401)."""


def everybody(role: str, visibility: str) -> str:
    return "ok"


def who_sees_the_picture(role: str, visibility: str) -> str:
    sees = visibility == Visibility.PUBLIC or role in {"owner", "staff", "superuser"}
    return "ok" if sees else "hidden"


def who_keeps_the_picture(role: str, visibility: str) -> str:
    if role == "anonymous":
        return "log in"
    if role == "member":
        return "refused" if visibility == Visibility.PUBLIC else "hidden"
    return "ok"


def staff_of_the_site(role: str, visibility: str) -> str:
    if role in {"staff", "superuser"}:
        return "ok"
    return "log in" if role == "anonymous" else "refused"


def staff_or_refused(role: str, visibility: str) -> str:
    """For programs, which a login page would not help."""
    return "ok" if role in {"staff", "superuser"} else "refused"


def anybody_logged_in(role: str, visibility: str) -> str:
    return "log in" if role == "anonymous" else "ok"


def its_owner(role: str, visibility: str) -> str:
    if role == "anonymous":
        return "log in"
    return "ok" if role == "owner" else "hidden"


def token_holders(role: str, visibility: str) -> str:
    return "log in"  # a session is no token


@dataclass(frozen=True)
class Row:
    """One address and one way to ask it."""

    name: str
    rule: Rule
    method: str = "GET"
    ok: tuple[int, ...] = (200,)
    data: Callable[[], Any] = dict
    as_json: bool = False
    query: str = ""
    key: str = "picture"
    """What an id in the address names."""


def picture_file() -> dict[str, Any]:
    return {"file": SimpleUploadedFile("new.jpg", colour_jpeg("green"))}


def to_public() -> dict[str, Any]:
    return {"visibility": "public"}


def evaluation_form() -> dict[str, Any]:
    return {"protocol": "karpathy-1k", "split": "held-out", "gallery": "queried"}


def page(name: str, rule: Rule = staff_of_the_site, **options: Any) -> Row:
    return Row(name, rule, **options)


def api(name: str, rule: Rule = staff_of_the_site, method: str = "GET", **options: Any) -> Row:
    return Row(f"api:{name}", rule, method, as_json=options.pop("as_json", True), **options)


ROWS = [
    # What anybody may do, with what anybody may see
    page("search:home", everybody),
    page("search:home", everybody, query="?q=something+red"),
    page("search:home", who_sees_the_picture, query="?like={pk}"),
    page("search:home", everybody, method="POST", ok=(302,), data=lambda: {"q": "red"}),
    page("search:similar", who_sees_the_picture),
    page("search:example", everybody),
    page("gallery:image", who_sees_the_picture),
    page("gallery:thumbnail", who_sees_the_picture),
    page("gallery:display", who_sees_the_picture),
    page("gallery:rendition", who_sees_the_picture),
    page("login", everybody),
    page("login", everybody, method="POST", data=lambda: {"username": "x", "password": "y"}),
    page("logout", everybody, method="POST", ok=(302,)),
    page("set_language", everybody, method="POST", ok=(302,), data=lambda: {"language": "de"}),
    page("livez", everybody),
    page("readyz", everybody, ok=(200, 503)),
    # What needs an account
    page("password_change", anybody_logged_in),
    page("password_change", anybody_logged_in, method="POST"),
    page("password_change_done", anybody_logged_in),
    page("gallery:saved-searches", anybody_logged_in),
    page("gallery:saved-searches", anybody_logged_in, method="POST", ok=(422,)),
    page("gallery:saved-search-rename", its_owner, method="POST", ok=(302,), key="saved search"),
    page("gallery:saved-search-delete", its_owner, method="POST", ok=(302,), key="saved search"),
    # What owners do with their own, and staff with all
    page("gallery:image-edit", who_keeps_the_picture),
    page("gallery:image-edit", who_keeps_the_picture, method="POST", ok=(302,), data=to_public),
    page("gallery:image-collect", who_keeps_the_picture, method="POST", ok=(302,)),
    page("gallery:image-captions", who_keeps_the_picture, method="POST", ok=(302,)),
    page("gallery:image-delete", who_keeps_the_picture),
    page("gallery:image-delete", who_keeps_the_picture, method="POST", ok=(302,)),
    page("gallery:manage", anybody_logged_in),
    page("gallery:manage", anybody_logged_in, method="POST", ok=(302,)),
    # What staff do
    page("gallery:original"),
    page("gallery:upload"),
    page("gallery:upload", method="POST", ok=(200, 422)),
    page("gallery:upload-known", method="POST"),
    page("gallery:upload-file", method="POST", ok=(200, 422)),
    page("gallery:upload-finish", method="POST", ok=(204,)),
    page("gallery:incoming", method="POST", ok=(412,)),
    page("gallery:incoming-part", method="PATCH", ok=(412,), key="incoming"),
    page("gallery:jobs"),
    page("gallery:job-start", method="POST", ok=(302,), data=lambda: {"kind": "index"}),
    page("gallery:job", key="job"),
    page("gallery:job-cancel", method="POST", ok=(302,), key="job"),
    page("gallery:job-retry", method="POST", ok=(302,), key="job"),
    page("gallery:failures"),
    page("gallery:failures-csv"),
    page("gallery:failures-retry", method="POST", ok=(302,)),
    page("gallery:failure-retry", method="POST", ok=(302,), key="failure"),
    page("gallery:versions"),
    page("search:status"),
    page("metrics", staff_or_refused),
    page("gallery:version-make-active", key="index"),
    page("gallery:version-make-active", method="POST", ok=(302,), key="index"),
    # What staff teach
    page("gallery:roll-back", method="POST", ok=(302,)),
    page("gallery:model", key="candidate"),
    page("gallery:model-promote", key="candidate"),
    page("gallery:model-promote", method="POST", ok=(302,), key="candidate"),
    page("gallery:model-evaluate", key="candidate"),
    page("gallery:model-evaluate", method="POST", ok=(302,), data=evaluation_form, key="candidate"),
    page("gallery:model-export", method="POST", ok=(302,), key="candidate"),
    page("gallery:model-delete", key="candidate"),
    page("gallery:model-delete", method="POST", ok=(302,), key="candidate"),
    page("gallery:job-download", ok=(404,), key="job"),  # it was no export
    page("gallery:fine-tune"),
    page("gallery:fine-tune", method="POST", ok=(422,)),
    page("gallery:job-training", ok=(302,), key="training"),
    page("gallery:evaluations"),
    page("gallery:evaluation", key="evaluation"),
    page("gallery:evaluation-json", key="evaluation"),
    page("gallery:evaluation-html", key="evaluation"),
    page("gallery:compare", query="?live={evaluation}&candidate={evaluation}"),
    page("gallery:query-sets"),
    page("gallery:query-set-new"),
    page("gallery:query-set-new", method="POST", ok=(422,)),
    page("gallery:query-set", key="query set"),
    page("gallery:query-set", method="POST", ok=(422,), key="query set"),
    page("gallery:query-set-delete", key="query set"),
    page("gallery:query-set-delete", method="POST", ok=(302,), key="query set"),
    page("gallery:keep-search", query="?q=red&image={pk}"),
    page("gallery:keep-search", method="POST", ok=(422,)),
    # The API
    api("root", everybody, ok=(302,)),
    api("docs", everybody),
    api("schema", everybody),
    api("search", everybody, query="?q=something+red"),
    api("search", who_sees_the_picture, query="?like={pk}"),
    api("search", everybody, "POST", data=lambda: {"q": "something red"}),
    api("image-list", everybody),
    api("image-list", method="POST", ok=(201,), data=picture_file, as_json=False),
    api("image-detail", who_sees_the_picture),
    api("image-detail", method="PATCH", data=lambda: {"title": "New"}),
    api("image-detail", method="DELETE", ok=(204,)),
    api("caption-list", who_sees_the_picture),
    api("caption-list", method="POST", ok=(201,), data=lambda: {"text": "New"}),
    api("caption-detail", who_sees_the_picture),
    api("caption-detail", method="PATCH", data=lambda: {"text": "New"}),
    api("caption-detail", method="DELETE", ok=(204,)),
    api("job-list"),
    api("job-list", method="POST", ok=(202,), data=lambda: {"kind": "embed"}),
    api("job-detail", key="job"),
    api("job-cancel", method="POST", ok=(409,), key="job"),  # it has ended
    api("job-retry", method="POST", ok=(202,), key="job"),
    api("failure-list"),
    api("failure-detail", key="failure"),
    api("failure-retry", method="POST", ok=(202,), key="failure"),
    api("model-list"),
    api("model-detail", key="model"),
    api("index-list"),
    api("index-detail", key="index"),
    api("index-activate", method="POST", key="index"),
    api("index-rebuild", method="POST", ok=(202,)),
    api("index-rollback", method="POST", ok=(409,)),  # nothing was live before
    api("job-metrics", key="training"),
    api("model-promote", method="POST", ok=(202,), key="candidate"),
    api("promotion-list"),
    api("training-list", method="POST", ok=(409,)),  # too few pictures
    api("evaluation-list"),
    api("evaluation-list", method="POST", ok=(400,)),
    api("evaluation-detail", key="evaluation"),
    api("evaluation-outcomes", key="evaluation"),
    api("comparison", query="?live={evaluation}&candidate={evaluation}"),
    api("query-set-list"),
    api("query-set-list", method="POST", ok=(400,)),
    api("query-set-detail", key="query set"),
    api("query-set-detail", method="PATCH", key="query set", data=lambda: {"tolerance": 0.1}),
    api("query-set-detail", method="DELETE", ok=(204,), key="query set"),
    api("token", everybody, "POST", ok=(401,), data=lambda: {"username": "x", "password": "y"}),
    api("logout", token_holders, "POST"),
    api("logout-all", token_holders, "POST"),
]


# --- Every address ---------------------------------------------------------------------------


def addresses(
    resolver: URLResolver | None = None, namespaces: tuple[str, ...] = ()
) -> Iterator[tuple[str, URLPattern]]:
    """Yield every pattern of the site under its full name."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            inner = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            yield from addresses(pattern, inner)
        else:
            yield ":".join([*namespaces, pattern.name or str(pattern.pattern)]), pattern


def test_every_address_is_in_the_table() -> None:
    known = {row.name for row in ROWS}
    found = {name for name, _ in addresses() if not name.startswith("admin:")}
    assert found - known == set(), "Decide who may use these, and say so in ROWS."
    assert known - found == set(), "These are gone."


def test_every_method_of_the_api_is_in_the_table() -> None:
    known = {(row.name, row.method) for row in ROWS}
    for name, pattern in addresses():
        allowed = getattr(getattr(pattern.callback, "cls", None), "http_method_names", [])
        for method in {*getattr(pattern.callback, "actions", {})} & {*allowed} - {"head"}:
            assert (name, method.upper()) in known


# --- Every role ------------------------------------------------------------------------------


@cache
def pattern_of(name: str) -> URLPattern:
    [pattern] = [pattern for found, pattern in addresses() if found == name]
    return pattern


def path_of(row: Row, site: Site, picture: Image) -> str:
    pattern = pattern_of(row.name)
    names = set(pattern.pattern.converters)
    keys: dict[str, int | UUID] = {
        "picture": picture.pk,
        "job": site.job.pk,
        "failure": site.failure.pk,
        "model": site.model.pk,
        "index": site.index.pk,
        "candidate": site.candidate.pk,
        "training": site.training.pk,
        "evaluation": site.evaluation.pk,
        "query set": site.query_set.pk,
        "saved search": site.saved_search.pk,
        "incoming": UUID(int=0),  # whose it is, is asked after who may upload at all
    }
    arguments: dict[str, int | str | UUID] = {"pk": keys[row.key]} if "pk" in names else {}
    if "key" in names:
        arguments["key"] = site.example
    if "side" in names:
        arguments |= {"side": THUMBNAIL_SIDE, "kind": "webp"}
    if row.name.startswith("api:caption"):
        arguments = {"image_pk": picture.pk}
        if "pk" in names:
            arguments["pk"] = picture.captions.get().pk
    return reverse(row.name, kwargs=arguments) + row.query.format(
        pk=picture.pk, evaluation=site.evaluation.pk
    )


def ask(client: Client, row: Row, path: str) -> Any:
    method = getattr(client, row.method.lower())
    options: dict[str, Any] = {"headers": {"HX-Request": "true"}} if "similar" in row.name else {}
    if row.method == "GET":
        return method(path, **options)
    if row.as_json:
        options["content_type"] = "application/json"
    return method(path, row.data(), **options)


def outcome(response: HttpResponse, row: Row) -> str:
    """Tell what happened, in the words of the rules."""
    is_sent_on = response.status_code == 302
    if (is_sent_on and response["Location"].startswith(reverse("login"))) or (
        response.status_code == 401 and 401 not in row.ok
    ):
        return "log in"
    if response.status_code in row.ok:
        return "ok"
    return {403: "refused", 404: "hidden"}.get(response.status_code, str(response.status_code))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("visibility", Visibility.values)
def test_the_table_holds(site: Site, role: str, visibility: str) -> None:
    picture = site.pictures[visibility]
    broken = []
    for row in ROWS:
        path = path_of(row, site, picture)
        if visibility == Visibility.PUBLIC and path == path_of(row, site, site.pictures["private"]):
            continue  # not about the picture, so asked with the private one only
        with transaction.atomic():
            response = ask(site.client(role), row, path)
            happened, expected = outcome(response, row), row.rule(role, visibility)
            transaction.set_rollback(True)
        if happened != expected:
            broken.append(f"{row.method} {path}: {happened}, not {expected}")
    assert broken == []


def admin_paths(site: Site) -> Iterator[str]:
    """Every page of the admin but those of logging in and out, on a private picture."""
    private = str(site.pictures["private"].pk)
    for name, _ in addresses():
        prefix, _, page_name = name.partition(":")
        if prefix == "admin" and page_name.isidentifier() and page_name not in {"login", "logout"}:
            for arguments in ([], [private], ["gallery"], [private, private]):
                try:
                    yield reverse(name, args=arguments)
                except NoReverseMatch:
                    continue
                break
            else:
                pytest.fail(f"{name} takes other arguments")
    yield "/admin/nothing/"


@pytest.mark.parametrize("role", ROLES)
def test_the_admin_is_for_staff_with_the_right_to_it(site: Site, role: str) -> None:
    client = site.client(role)
    pages = list(admin_paths(site))
    assert len(pages) > 50
    for path in pages:
        response = client.get(path)
        assert response.status_code < 500, path
        if role in {"anonymous", "member", "owner"}:
            assert response.status_code == 302, path
            assert response["Location"].startswith(reverse("admin:login")), path
        elif role == "staff":  # without a single right of Django's own
            assert SECRET.encode() not in response.content, path
            if path.count("/") > 4:
                assert response.status_code in {302, 403, 404}, path


def test_unsafe_requests_of_a_session_need_the_csrf_token(site: Site) -> None:
    """Another site can make a browser send a request, but cannot read the token for it."""
    client = site.client("superuser", enforce_csrf_checks=True)
    without_session = {"api:token", "api:logout", "api:logout-all"}
    before = Image.objects.values_list("pk", "title", "visibility").order_by("pk")
    kept = list(before)
    for row in ROWS:
        if row.method == "GET" or row.name in without_session:
            continue
        path = path_of(row, site, site.pictures["public"])
        assert ask(client, row, path).status_code == 403, f"{row.method} {path}"
    for path in admin_paths(site):
        response = client.post(path)
        assert response.status_code in {403, 405}, path
    assert list(before.all()) == kept


# --- What must not leak ----------------------------------------------------------------------


@pytest.mark.parametrize("role", ["anonymous", "member"])
def test_a_private_picture_shows_nowhere(site: Site, role: str) -> None:
    """Asked for by its own vector, its caption, its likeness, its id: it is never there."""
    hidden = site.pictures["private"]
    twin = SimpleUploadedFile("twin.jpg", colour_jpeg("red", shade=1))
    client = site.client(role)
    assert hidden.visibility == Visibility.PRIVATE
    assert hidden.sha256 == hashlib.sha256(twin.read()).hexdigest()
    twin.seek(0)
    public = site.pictures["public"].pk
    pages = [
        client.post("/api/v1/search/", {"image": twin, "limit": 100}),
        client.get("/api/v1/search/", {"q": "red", "limit": "100"}),
        client.get(f"/api/v1/search/?limit=100&like={public}"),
        client.get("/api/v1/images/", {"limit": 100}),
        client.get("/api/v1/images/", {"title": hidden.title}),
        client.get("/api/v1/images/", {"visibility": "private"}),
    ]
    for response in pages:
        assert response.status_code == 200
        results = response.json()["results"]
        images = [result.get("image", result) for result in results]
        assert hidden.pk not in {image["id"] for image in images}
        assert f"/images/{hidden.pk}/" not in response.content.decode()
        assert hidden.title not in {image["title"] for image in images}
    everything = pages[0].json()["results"]
    assert len(everything) == Image.objects.count() - 1
    twin.seek(0)
    for response in (
        client.get("/"),
        client.get("/", {"q": "red"}),
        client.get("/", {"like": public}),
        client.post("/", {"image": twin}, follow=True),
        client.get(reverse("search:similar", args=[public]), headers={"HX-Request": "true"}),
    ):
        assert response.status_code == 200
        assert f"/images/{hidden.pk}/" not in response.content.decode()


def test_hidden_and_missing_read_the_same(site: Site) -> None:
    client = site.client("member")
    hidden, missing = site.pictures["private"].pk, 987_654
    for path in (
        "/images/{}/",
        "/images/{}/thumbnail.webp",
        "/images/{}/display.webp",
        "/api/v1/images/{}/",
        "/api/v1/images/{}/captions/",
        "/api/v1/search/?like={}",
        "/?like={}",
    ):
        first, second = (client.get(path.format(pk)) for pk in (hidden, missing))
        assert first.status_code == second.status_code == 404, path
        assert SECRET.encode() not in first.content
        if path.startswith("/api/"):
            words = first.json()["detail"].replace(f" {hidden}.", " #.")
            assert words == second.json()["detail"].replace(f" {missing}.", " #."), path


def test_a_picture_that_is_made_private_is_gone_at_once(site: Site) -> None:
    client = site.client("anonymous")
    public = site.pictures["public"]
    addresses_of_it = [
        reverse("gallery:image", args=[public.pk]),
        reverse("gallery:thumbnail", args=[public.pk]),
        reverse("api:image-detail", args=[public.pk]),
    ]
    assert [client.get(path).status_code for path in addresses_of_it] == [200, 200, 200]
    Image.objects.filter(pk=public.pk).update(visibility=Visibility.PRIVATE)
    assert [client.get(path).status_code for path in addresses_of_it] == [404, 404, 404]
    found = client.get("/api/v1/search/", {"q": "red", "limit": "100"}).json()["results"]
    assert public.pk not in {result["image"]["id"] for result in found}
