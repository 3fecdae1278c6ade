"""Who may do what: every address of the site, for every role, on public and on private pictures.

An address that is not in the table fails the test: whoever adds one decides here who may use it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from uuid import UUID

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import AnonymousUser, Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from knox.models import AuthToken
from PIL import Image as Picture

from gallery import access
from gallery.access import EVERY_IMAGE
from gallery.examples import keep_example
from gallery.models import (
    Collection,
    Evaluation,
    Failure,
    Image,
    IndexVersion,
    Job,
    ModelVersion,
    SavedQuerySet,
    SavedSearch,
    SyncSource,
    Tag,
)
from gallery.models.choices import Visibility
from gallery.services import images
from gallery.services.accounts import give_roles
from mlcore.i18n import Message
from mlcore.imaging.renditions import THUMBNAIL_SIDE
from tests.encoders import ColourEncoder
from tests.learning import COMPOSITION, candidate, measured, query_set, training
from tests.pictures_of_colours import add_picture, colour_jpeg, index_everything, run

pytestmark = pytest.mark.django_db

ROLES = ("anonymous", "member", "group member", "owner", "bare staff", *access.ROLES, "superuser")
"""Members and the owner hold no role, but one is of the group that a picture is for; bare staff may
enter the admin, and do nothing there."""
SECRET = "words that only the owner may read"


@dataclass(frozen=True)
class Site:
    """A gallery with a picture of each visibility, all of the same owner."""

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
    source: SyncSource
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
        "group member": User.objects.create_user("group member"),
        "owner": User.objects.create_user("owner"),
        "bare staff": User.objects.create_user("bare staff", is_staff=True),
        **{role: User.objects.create_user(role) for role in access.ROLES},
        "superuser": User.objects.create_superuser("superuser"),
    }
    for role in access.ROLES:
        give_roles(people[role], [role])
    pictures = {
        visibility: add_picture(
            "red", shade=shade, captions=(SECRET,), owner=people["owner"], visibility=visibility
        )
        for shade, visibility in enumerate(Visibility.values)
    }
    club = Group.objects.create(name="club")
    people["group member"].groups.add(club)
    pictures["groups"].groups.add(club)
    add_picture("blue")
    index_everything()
    run(Job.Kind.INDEX)
    image = Image.objects.latest("pk")
    Failure.objects.record(Failure.Stage.EMBED, "A picture", Message("It is damaged."), image=image)
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
        source=SyncSource.objects.create(address="/srv/pictures"),
        example=keep_example(Picture.new("RGB", (8, 8))),
        failure=Failure.objects.get(),
        model=model,
        index=IndexVersion.objects.earliest("pk"),
        users={"anonymous": AnonymousUser(), **people},
    )


# --- The rules -------------------------------------------------------------------------------

Rule = Callable[[str, str], str]
"""From role and visibility to what happens: ok, hidden (404), log in, refused (403 or 401)."""


def holds(role: str, *permissions: str) -> bool:
    if role == "superuser":
        return True
    return role in access.ROLES and access.ROLES[role].permissions.issuperset(permissions)


def sees(role: str, visibility: str) -> bool:
    if visibility == Visibility.PUBLIC or role == "owner" or holds(role, EVERY_IMAGE):
        return True
    if visibility == Visibility.SIGNED_IN:
        return role != "anonymous"
    return visibility == Visibility.GROUPS and role == "group member"


def everybody(role: str, visibility: str) -> str:
    return "ok"


def who_sees_the_picture(role: str, visibility: str) -> str:
    return "ok" if sees(role, visibility) else "hidden"


def its_owner_or(permission: str) -> Rule:
    """For what owners do with their own pictures, and others with all that they see."""

    def rule(role: str, visibility: str) -> str:
        if role == "anonymous":
            return "log in"
        if not sees(role, visibility):
            return "hidden"
        return "ok" if role == "owner" or holds(role, permission) else "refused"

    return rule


def needs(*permissions: str, otherwise: str = "refused") -> Rule:
    def rule(role: str, visibility: str) -> str:
        if role == "anonymous":
            return "log in"
        return "ok" if holds(role, *permissions) else otherwise

    return rule


def operators_or_refused(role: str, visibility: str) -> str:
    """For programs, which a login page would not help."""
    return "ok" if holds(role, "gallery.view_indexversion") else "refused"


def anybody_logged_in(role: str, visibility: str) -> str:
    return "log in" if role == "anonymous" else "ok"


def its_owner(role: str, visibility: str) -> str:
    if role == "anonymous":
        return "log in"
    return "ok" if role == "owner" else "hidden"


def token_holders(role: str, visibility: str) -> str:
    return "log in"  # a session is no token


uploads = needs("gallery.add_image")
watches_jobs = needs("gallery.view_job", otherwise="hidden")  # those of others
changes_jobs = needs("gallery.view_job", "gallery.change_job", otherwise="hidden")
sees_models = needs("gallery.view_modelversion")
trains = needs("gallery.add_modelversion")
evaluates = needs("gallery.add_evaluation")
promotes = needs("gallery.add_promotion")
proposes = needs("gallery.add_proposal")
exports = needs("gallery.export_modelversion")
deletes_models = needs("gallery.delete_modelversion")
sees_indexes = needs("gallery.view_indexversion")
activates = needs("gallery.change_indexversion")
rebuilds = needs("gallery.add_indexversion")
sees_failures = needs("gallery.view_failure", EVERY_IMAGE)
retries_failures = needs("gallery.change_failure")
sees_sources = needs("gallery.view_syncsource", EVERY_IMAGE)
adds_sources = needs("gallery.add_syncsource")
changes_sources = needs("gallery.change_syncsource")
deletes_sources = needs("gallery.delete_syncsource")
lists_evaluations = needs("gallery.view_evaluation")
sees_evaluations = needs("gallery.view_evaluation", EVERY_IMAGE)
sees_query_sets = needs("gallery.view_savedqueryset")
adds_query_sets = needs("gallery.add_savedqueryset")
changes_query_sets = needs("gallery.change_savedqueryset")
deletes_query_sets = needs("gallery.delete_savedqueryset")
edits = its_owner_or("gallery.change_image")
deletes = its_owner_or("gallery.delete_image")


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
    return {"protocol": "karpathy-1k", "split": "test", "gallery": "queried"}


def page(name: str, rule: Rule, **options: Any) -> Row:
    return Row(name, rule, **options)


def api(name: str, rule: Rule, method: str = "GET", **options: Any) -> Row:
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
    page("gallery:image-edit", edits),
    page("gallery:image-edit", edits, method="POST", ok=(302,), data=to_public),
    page("gallery:image-collect", edits, method="POST", ok=(302,)),
    page("gallery:image-captions", edits, method="POST", ok=(302,)),
    page("gallery:image-delete", deletes),
    page("gallery:image-delete", deletes, method="POST", ok=(302,)),
    page("gallery:manage", anybody_logged_in),
    page("gallery:manage", anybody_logged_in, method="POST", ok=(302,)),
    # What staff do
    page("gallery:original", needs(access.ORIGIN)),
    page("gallery:upload", uploads),
    page("gallery:upload", uploads, method="POST", ok=(200, 422)),
    page("gallery:upload-known", uploads, method="POST"),
    page("gallery:import", uploads),
    page("gallery:import", uploads, method="POST", ok=(422,)),
    page("gallery:upload-file", uploads, method="POST", ok=(200, 422)),
    page("gallery:upload-finish", uploads, method="POST", ok=(204,)),
    page("gallery:resumable-uploads", uploads, method="POST", ok=(412,)),
    page("gallery:resumable-upload", uploads, method="PATCH", ok=(412,), key="upload"),
    page("gallery:jobs", anybody_logged_in),
    page("gallery:job-start", rebuilds, method="POST", ok=(302,), data=lambda: {"kind": "index"}),
    page("gallery:job", watches_jobs, key="job"),
    page("gallery:job-cancel", changes_jobs, method="POST", ok=(302,), key="job"),
    page("gallery:job-retry", changes_jobs, method="POST", ok=(302,), key="job"),
    page("gallery:failures", sees_failures),
    page("gallery:failures-csv", sees_failures),
    page("gallery:failures-retry", retries_failures, method="POST", ok=(302,)),
    page("gallery:failure-retry", retries_failures, method="POST", ok=(302,), key="failure"),
    page("gallery:sources", sees_sources),
    page("gallery:source-new", adds_sources),
    page("gallery:source-new", adds_sources, method="POST", ok=(422,)),
    page("gallery:source", sees_sources, key="source"),
    page("gallery:source-edit", changes_sources, key="source"),
    page("gallery:source-edit", changes_sources, method="POST", ok=(422,), key="source"),
    page("gallery:source-look", changes_sources, method="POST", ok=(302,), key="source"),
    page("gallery:source-hide", changes_sources, method="POST", ok=(302,), key="source"),
    page("gallery:source-remove", deletes_sources, key="source"),
    page("gallery:source-remove", deletes_sources, method="POST", ok=(302,), key="source"),
    page("gallery:versions", sees_indexes),
    page("search:status", sees_indexes),
    page("metrics", operators_or_refused),
    page("gallery:version-make-active", activates, key="index"),
    page("gallery:version-make-active", activates, method="POST", ok=(302,), key="index"),
    page("gallery:audit", needs("gallery.view_auditevent")),
    # What staff teach
    page("gallery:roll-back", activates, method="POST", ok=(302,)),
    page("gallery:model", sees_models, key="candidate"),
    page("gallery:model-promote", promotes, key="candidate"),
    page("gallery:model-propose", proposes, method="POST", ok=(302,), key="candidate"),
    page("gallery:model-promote", promotes, method="POST", ok=(302,), key="candidate"),
    page("gallery:model-evaluate", evaluates, key="candidate"),
    page(
        "gallery:model-evaluate",
        evaluates,
        method="POST",
        ok=(302,),
        data=evaluation_form,
        key="candidate",
    ),
    page("gallery:model-export", exports, method="POST", ok=(302,), key="candidate"),
    page("gallery:model-delete", deletes_models, key="candidate"),
    page("gallery:model-delete", deletes_models, method="POST", ok=(302,), key="candidate"),
    page("gallery:job-download", exports, ok=(404,), key="job"),  # it was no export
    page("gallery:fine-tune", trains),
    page("gallery:fine-tune", trains, method="POST", ok=(422,)),
    page("gallery:job-training", watches_jobs, ok=(302,), key="training"),
    page("gallery:evaluations", lists_evaluations),
    page("gallery:evaluation", sees_evaluations, key="evaluation"),
    page("gallery:evaluation-json", sees_evaluations, key="evaluation"),
    page("gallery:evaluation-html", sees_evaluations, key="evaluation"),
    page("gallery:compare", sees_evaluations, query="?live={evaluation}&candidate={evaluation}"),
    page("gallery:query-sets", sees_query_sets),
    page("gallery:query-set-new", adds_query_sets),
    page("gallery:query-set-new", adds_query_sets, method="POST", ok=(422,)),
    page("gallery:query-set", changes_query_sets, key="query set"),
    page("gallery:query-set", changes_query_sets, method="POST", ok=(422,), key="query set"),
    page("gallery:query-set-delete", deletes_query_sets, key="query set"),
    page("gallery:query-set-delete", deletes_query_sets, method="POST", ok=(302,), key="query set"),
    page("gallery:keep-search", adds_query_sets, query="?q=red&image={pk}"),
    page("gallery:keep-search", adds_query_sets, method="POST", ok=(422,)),
    # The API
    api("root", everybody, ok=(302,)),
    api("docs", everybody),
    api("schema", everybody),
    api("search", everybody, query="?q=something+red"),
    api("search", who_sees_the_picture, query="?like={pk}"),
    api("search", everybody, "POST", data=lambda: {"q": "something red"}),
    api("image-list", everybody),
    api("image-list", uploads, method="POST", ok=(201,), data=picture_file, as_json=False),
    api("image-detail", who_sees_the_picture),
    api("image-detail", edits, method="PATCH", data=lambda: {"title": "New"}),
    api("image-detail", deletes, method="DELETE", ok=(204,)),
    api("caption-list", who_sees_the_picture),
    api("caption-list", edits, method="POST", ok=(201,), data=lambda: {"text": "New"}),
    api("caption-detail", who_sees_the_picture),
    api("caption-detail", edits, method="PATCH", data=lambda: {"text": "New"}),
    api("caption-detail", edits, method="DELETE", ok=(204,)),
    api("import-list", uploads),
    api("import-list", uploads, method="POST", ok=(400,)),
    api("job-list", anybody_logged_in),
    api(
        "job-list",
        needs("gallery.add_job"),
        method="POST",
        ok=(202,),
        data=lambda: {"kind": "embed"},
    ),
    api("job-detail", watches_jobs, key="job"),
    api("job-cancel", changes_jobs, method="POST", ok=(409,), key="job"),  # it has ended
    api("job-retry", changes_jobs, method="POST", ok=(202,), key="job"),
    api("failure-list", sees_failures),
    api("failure-detail", sees_failures, key="failure"),
    api("failure-retry", retries_failures, method="POST", ok=(202,), key="failure"),
    api("source-list", sees_sources),
    api("source-list", adds_sources, method="POST", ok=(400,)),
    api("source-detail", sees_sources, key="source"),
    api(
        "source-detail",
        changes_sources,
        method="PATCH",
        key="source",
        data=lambda: {"interval": 30},
    ),
    api("source-detail", deletes_sources, method="DELETE", ok=(204,), key="source"),
    api("source-look", changes_sources, method="POST", ok=(202,), key="source"),
    api("source-hide", changes_sources, method="POST", key="source"),
    api("synced-file-list", sees_sources),
    api("vanished-picture-list", sees_sources),
    api("model-list", sees_models),
    api("model-detail", sees_models, key="model"),
    api("index-list", sees_indexes),
    api("index-detail", sees_indexes, key="index"),
    api("index-activate", activates, method="POST", key="index"),
    api("index-rebuild", rebuilds, method="POST", ok=(202,)),
    api("index-rollback", activates, method="POST", ok=(409,)),  # nothing was live before
    api("job-metrics", watches_jobs, key="training"),
    api("model-promote", promotes, method="POST", ok=(202,), key="candidate"),
    api("model-propose", proposes, method="POST", key="candidate"),
    api("model-propose", proposes, method="DELETE", ok=(204,), key="candidate"),
    api("promotion-list", needs("gallery.view_promotion")),
    api("training-list", trains, method="POST", ok=(409,)),  # too few pictures
    api("evaluation-list", sees_evaluations),
    api("evaluation-list", evaluates, method="POST", ok=(400,)),
    api("evaluation-detail", sees_evaluations, key="evaluation"),
    api("evaluation-outcomes", sees_evaluations, key="evaluation"),
    api("audit-list", needs("gallery.view_auditevent")),
    api("comparison", sees_evaluations, query="?live={evaluation}&candidate={evaluation}"),
    api("query-set-list", sees_query_sets),
    api("query-set-list", adds_query_sets, method="POST", ok=(400,)),
    api("query-set-detail", sees_query_sets, key="query set"),
    api(
        "query-set-detail",
        changes_query_sets,
        method="PATCH",
        key="query set",
        data=lambda: {"tolerance": 0.1},
    ),
    api("query-set-detail", deletes_query_sets, method="DELETE", ok=(204,), key="query set"),
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
    found = {name for name, _ in addresses() if not name.startswith(("admin:", "admin/"))}
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
        "source": site.source.pk,
        "saved search": site.saved_search.pk,
        "upload": UUID(int=0),  # whose it is, is asked after who may upload at all
    }
    arguments: dict[str, int | str | UUID] = {"pk": keys[row.key]} if "pk" in names else {}
    if "key" in names:
        arguments["key"] = site.example
    if "side" in names:
        arguments |= {"side": THUMBNAIL_SIDE, "kind": "webp"}
    if "source_pk" in names:
        arguments["source_pk"] = site.source.pk
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
def test_the_table_holds(site: Site, role: str) -> None:
    client, broken = site.client(role), []
    for visibility, picture in site.pictures.items():
        for row in ROWS:
            path = path_of(row, site, picture)
            hidden = site.pictures["private"]
            if picture != hidden and path == path_of(row, site, hidden):
                continue  # not about the picture, so asked with the private one only
            with transaction.atomic():
                response = ask(client if row.name != "logout" else site.client(role), row, path)
                happened, expected = outcome(response, row), row.rule(role, visibility)
                transaction.set_rollback(True)
            if happened != expected:
                broken.append(f"{row.method} {path} ({visibility}): {happened}, not {expected}")
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
        if role not in {"bare staff", "administrator", "superuser"}:
            assert response.status_code == 302, path
            assert response["Location"].startswith(reverse("admin:login")), path
        elif role == "bare staff":  # without a single right of Django's own
            assert SECRET.encode() not in response.content, path
            if path.count("/") > 4:
                assert response.status_code in {302, 403, 404}, path


OPEN_WHERE_CLOSED = {"login", "set_language", "livez", "readyz", "api:token"}
"""What strangers reach of a site that is closed to them."""


@pytest.mark.parametrize("visibility", Visibility.values)
def test_a_closed_site_shows_strangers_nothing(
    site: Site, settings: LazySettings, visibility: str
) -> None:
    settings.CONTEXTVISION_SIGN_IN = "required"
    stranger, picture = site.client("anonymous"), site.pictures[visibility]
    for row in ROWS:
        path = path_of(row, site, picture)
        response = ask(stranger, row, path)
        if row.name in OPEN_WHERE_CLOSED:
            assert outcome(response, row) == "ok", path
        elif row.name == "metrics":
            assert response.status_code == 403
        elif row.name.startswith("api:"):
            assert response.status_code == 401, path
            assert response["Content-Type"] == "application/problem+json"
        elif "similar" in row.name:  # a part of a page cannot hold one to sign in
            assert response["HX-Redirect"] == reverse("login")
        else:
            assert response.status_code == 302, path
            assert response["Location"].startswith(f"{reverse('login')}?next="), path
    for path in admin_paths(site):
        assert stranger.get(path).status_code in {302, 404}, path


def test_a_closed_site_lets_accounts_and_tokens_in(site: Site, settings: LazySettings) -> None:
    settings.CONTEXTVISION_SIGN_IN = "required"
    viewer, picture = site.client("viewer"), site.pictures["public"]
    assert viewer.get("/").status_code == 200
    page = viewer.get(reverse("gallery:thumbnail", args=[picture.pk]))
    assert page["Cache-Control"] == "private, no-cache"  # not after signing out
    _, token = AuthToken.objects.create(user=cast(User, site.users["viewer"]))
    for path in ("/api/v1/search/?q=red", "/api/v1/images/", "/api/v1/schema/"):
        answer = Client(headers={"Authorization": f"Token {token}"}).get(path)
        assert answer.status_code == 200, path


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


def test_names_that_stand_on_private_pictures_only_are_told_to_their_owner_alone(
    site: Site,
) -> None:
    """Nor are they among the choices of a member who looks after pictures of his own."""
    names = {"collection-of-one-person", "tag-of-one-person"}
    collection, tag = sorted(names)
    hidden = site.pictures["private"]
    hidden.collection = Collection.objects.create(name=collection)
    hidden.save()
    hidden.tags.add(Tag.objects.create(name=tag))
    own = add_picture("green", captions=("Mine",), owner=cast(User, site.users["member"]))

    def told(role: str, picture: Image) -> dict[str, set[str]]:
        client, found = site.client(role), defaultdict[str, set[str]](set)
        for row in ROWS:
            if row.method == "GET":
                content = ask(client, row, path_of(row, site, picture)).getvalue()
                found[row.name] |= {name for name in names if name.encode() in content}
        return found

    assert {name: shown for name, shown in told("member", own).items() if shown} == {}
    owners = told("owner", hidden)
    assert owners["gallery:manage"] == owners["gallery:image-edit"] == names


def hidden_from(role: str) -> list[str]:
    return [visibility for visibility in Visibility.values if not sees(role, visibility)]


@pytest.mark.parametrize("role", [role for role in ROLES if hidden_from(role)])
def test_a_picture_that_is_for_others_shows_nowhere(site: Site, role: str) -> None:
    """Asked for by its own vector, its caption, its likeness, its id: it is never there."""
    client, public = site.client(role), site.pictures["public"].pk
    hidden = [site.pictures[visibility] for visibility in hidden_from(role)]
    ids, titles = {image.pk for image in hidden}, {image.title for image in hidden}
    asked: list[Any] = [
        client.get("/api/v1/search/", {"q": "red", "limit": "100"}),
        client.get("/api/v1/search/", {"q": SECRET, "limit": "100"}),
        client.get("/api/v1/search/", {"phrase": SECRET, "limit": "100"}),
        client.get(f"/api/v1/search/?limit=100&like={public}"),
        client.get("/api/v1/images/", {"limit": 100}),
        *(client.get("/api/v1/images/", {"title": title}) for title in titles),
        *(client.get("/api/v1/images/", {"visibility": each}) for each in Visibility.values),
    ]
    pages = [
        client.get("/"),
        client.get("/", {"q": "red"}),
        client.get("/", {"like": public}),
        client.get(reverse("search:similar", args=[public]), headers={"HX-Request": "true"}),
    ]
    for image in hidden:
        shade = Visibility.values.index(image.visibility)
        twin = SimpleUploadedFile("twin.jpg", colour_jpeg("red", shade=shade))
        assert image.sha256 == hashlib.sha256(twin.read()).hexdigest()
        twin.seek(0)
        asked.append(client.post("/api/v1/search/", {"image": twin, "limit": 100}))
        twin.seek(0)
        pages.append(client.post("/", {"image": twin}, follow=True))
    for response in asked:
        assert response.status_code == 200
        results = response.json()["results"]
        found = [result.get("image", result) for result in results]
        assert not ids & {image["id"] for image in found}
        assert not titles & {image["title"] for image in found}
    for response in (*asked, *pages):
        assert response.status_code == 200
        assert not [pk for pk in ids if f"/images/{pk}/" in response.content.decode()]
    assert len(asked[-1].json()["results"]) == Image.objects.count() - len(hidden)


@pytest.mark.parametrize("role", [role for role in ROLES if hidden_from(role)])
def test_what_is_written_on_pictures_for_others_shows_nowhere(site: Site, role: str) -> None:
    """Its words are on no page and in no answer, whatever is asked for, and counted nowhere."""
    words = set()
    for visibility in hidden_from(role):
        image = site.pictures[visibility]
        telling = {name: f"{name}-of-{visibility}" for name in ("title", "creator", "place")}
        Image.objects.filter(pk=image.pk).update(**telling, camera=f"camera-of-{visibility}")
        image.collection = Collection.objects.create(name=f"collection-of-{visibility}")
        image.save(update_fields=["collection"])
        image.tags.add(Tag.objects.create(name=f"tag-of-{visibility}"))
        images.set_captions(image, [f"caption-of-{visibility}"])
        words |= {*telling.values(), f"camera-of-{visibility}", f"collection-of-{visibility}"}
        words |= {f"tag-of-{visibility}", f"caption-of-{visibility}"}
    client, shown = site.client(role), defaultdict[str, set[str]](set)
    for picture in site.pictures.values():
        for row in ROWS:
            if row.method == "GET":
                path = path_of(row, site, picture)
                content = ask(client, row, path).getvalue().decode(errors="replace")
                shown[path] |= {word for word in words if word in content}
    assert {path: found for path, found in shown.items() if found} == {}


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
