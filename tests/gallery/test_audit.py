"""The audit trail: what is written down, of whom, and that nothing of it is changed."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from gallery import access, audit, fulltext
from gallery.models import AuditEvent, Image, IndexVersion, Job
from gallery.models.audit import AuditError
from gallery.pipelines.indexing import make_live
from gallery.selectors import working_model
from gallery.services import accounts, images, maintenance, versions
from tests.encoders import ColourEncoder
from tests.learning import candidate, query_set
from tests.pictures_of_colours import add_picture, index_everything, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff_client(staff: User) -> Client:
    client = Client(REMOTE_ADDR="203.0.113.7")
    client.force_login(staff)
    return client


@pytest.fixture
def administrator(staff: User) -> User:
    accounts.give_roles(staff, ["administrator"])
    return User.objects.get(pk=staff.pk)


def trail(*codes: str) -> list[str]:
    """What the trail tells of these, oldest first."""
    events = AuditEvent.objects.filter(code__in=codes).order_by("pk")
    return [f"{event.user_name}: {event}" for event in events]


def test_deleting_and_publishing_are_written_down(staff_client: Client) -> None:
    first, second = (add_picture("red", shade=shade) for shade in (0, 1))
    ids = [first.pk, second.pk]
    club = Group.objects.create(name="club")
    bulk = {"image": ids, "do": "change", "visibility": "groups", "groups": [club.pk]}
    staff_client.post(reverse("gallery:manage"), bulk)
    staff_client.post(reverse("gallery:manage"), bulk)  # they are so already
    path = reverse("api:image-detail", args=[first.pk])
    staff_client.patch(path, {"visibility": "public"}, content_type="application/json")
    staff_client.delete(path)
    assert trail("images_shown", "images_deleted") == [
        f"staff: 2 pictures are for the groups club now: {ids[0]}, {ids[1]}.",
        f"staff: 1 picture is for everybody now: {ids[0]}.",
        f"staff: 1 picture was deleted: {ids[0]}.",
    ]
    deleted = AuditEvent.objects.get(code="images_deleted")
    assert (deleted.object_kind, deleted.object_id) == ("image", str(ids[0]))


def test_what_fails_is_not_written_down(staff: User, monkeypatch: pytest.MonkeyPatch) -> None:
    image = add_picture("red")
    monkeypatch.setattr(fulltext, "refresh", lambda ids: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        images.delete_images([image])
    assert Image.objects.exists()
    assert not AuditEvent.objects.filter(code="images_deleted").exists()


def test_promotions_and_rollbacks_are_written_down(colours: ColourEncoder, staff: User) -> None:
    add_picture("red", captions=("all red",))
    index_everything()
    live = IndexVersion.objects.active()
    assert live is not None
    newer = candidate(live.model_version, passed=True)
    job = Job.objects.create(kind=Job.Kind.PROMOTE, created_by=staff)
    index = IndexVersion.objects.create(model_version=newer, count=1, watermark=0, manifest={})
    assert make_live(index, instead_of=live, job=job, override_reason="It is prettier.")
    versions.rollback(user=staff)
    run(Job.Kind.INDEX)  # the same model: nothing that anybody decided
    told = trail("model_promoted_anyway", "model_promoted", "model_rolled_back")
    assert told == [
        f"staff: {newer.name} went live in the place of {live.model_version.name}, although the "
        "gate refused it: It is prettier.",
        f"staff: {newer.name} went, and {live.model_version.name} is live again.",
    ]


def test_exports_and_what_is_deleted_of_models_are_written_down(
    colours: ColourEncoder, staff: User, staff_client: Client
) -> None:
    add_picture("red")
    index_everything()
    live = working_model()
    assert live is not None
    newer = candidate(live, passed=True)
    staff_client.post(reverse("gallery:model-export", args=[newer.pk]))
    Job.objects.filter(kind=Job.Kind.EXPORT).update(status=Job.Status.CANCELLED)
    staff_client.post(reverse("gallery:model-delete", args=[newer.pk]))
    kept = query_set({"red": [Image.objects.get()]})
    staff_client.delete(reverse("api:query-set-detail", args=[kept.pk]))
    staff_client.get(reverse("gallery:failures-csv"))
    assert trail("model_exported", "model_deleted", "query_set_deleted", "failures_downloaded") == [
        f"staff: {newer.name} was exported.",
        f"staff: {newer.name} was deleted.",
        f"staff: The query set “{kept.name}” was deleted.",
        "staff: The list of failures was downloaded.",
    ]


def test_roles_and_accounts_are_written_down(administrator: User, member: User) -> None:
    client = Client()
    client.force_login(administrator)
    editors, viewers = access.role_group("editor"), access.role_group("viewer")
    before = AuditEvent.objects.count()
    user = reverse("admin:auth_user_change", args=[member.pk])
    page = client.get(user).context["adminform"].form.initial
    form: dict[str, Any] = {
        "username": "member",
        "is_active": "on",
        "groups": [editors.pk],
        "date_joined_0": page["date_joined"].date().isoformat(),
        "date_joined_1": page["date_joined"].time().isoformat("seconds"),
        "is_staff": "on",
    }
    assert client.post(user, form).status_code == 302
    assert client.post(user, {**form, "groups": []}).status_code == 302
    group = reverse("admin:auth_group_change", args=[viewers.pk])
    kept = [each.pk for each in access.named(["gallery.view_image", "gallery.add_image"])]
    assert client.post(group, {"name": "viewer", "permissions": kept}).status_code == 302
    client.post(reverse("admin:auth_user_delete", args=[member.pk]), {"post": "yes"})
    events = AuditEvent.objects.order_by("pk")[before:]
    assert {event.user_name for event in events} == {"staff"}
    told = [str(event) for event in events]
    assert told[:3] == [
        "member may open the admin.",
        "member was given: editor.",
        "From member was taken: editor.",
    ]
    assert "viewer may now: gallery.add_image." in told
    assert any(line.startswith("viewer may no longer: ") for line in told)
    assert "The account member was deleted." in told


def test_signing_in_is_written_down(member: User) -> None:
    client = Client()
    asked = {"username": "member", "password": "a long password"}
    client.post(reverse("login"), asked)
    client.post(reverse("logout"))
    client.post(reverse("api:token"), asked, content_type="application/json")
    member.set_password("another long password")
    member.save()
    for _ in range(5):
        client.post(reverse("login"), {**asked, "password": "wrong"})
    codes = list(AuditEvent.objects.order_by("pk").values_list("code", flat=True))
    assert codes == [
        "account_made", "signed_in", "signed_out", "token_made", "signed_in", "password_changed",
        "locked_out",
    ]  # fmt: skip


def test_a_hash_that_is_renewed_is_no_change_of_a_password(
    member: User, settings: LazySettings
) -> None:
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.ScryptPasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]
    assert member.check_password("a long password")
    assert not AuditEvent.objects.filter(code="password_changed").exists()


@pytest.mark.parametrize(
    ("kept", "expected"), [("whole", "203.0.113.7"), ("none", ""), ("hashed", None)]
)
def test_addresses_are_kept_as_the_settings_say(
    staff_client: Client, settings: LazySettings, kept: str, expected: str | None
) -> None:
    settings.CONTEXTVISION_AUDIT_ADDRESSES = kept
    staff_client.delete(reverse("api:image-detail", args=[add_picture("red").pk]))
    address = AuditEvent.objects.get(code="images_deleted").address
    assert address == (audit.hashed("203.0.113.7") if expected is None else expected)
    assert kept == "whole" or "203" not in address or len(address) == 16


def test_nothing_is_changed_or_taken_away(member: User) -> None:
    event = AuditEvent.objects.get(code="account_made")
    event.user_name = "somebody else"
    for change in (
        event.save,
        event.delete,
        AuditEvent.objects.all().delete,
        lambda: AuditEvent.objects.update(user_name="x"),
    ):
        with pytest.raises(AuditError):
            change()
    member.delete()
    assert AuditEvent.objects.get(pk=event.pk).user_name == ""


def test_old_events_are_forgotten(
    member: User, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = timezone.now() - timedelta(days=400)
    AuditEvent.objects.bulk_create([AuditEvent(code="signed_in")])
    AuditEvent.objects.filter(code="signed_in").query  # noqa: B018
    super(type(AuditEvent.objects.all()), AuditEvent.objects.filter(code="signed_in")).update(
        at=old
    )
    settings.CONTEXTVISION_AUDIT_DAYS = 0
    assert audit.forget_old() == 0
    settings.CONTEXTVISION_AUDIT_DAYS = 365
    monkeypatch.setattr(maintenance, "_examples_looked_at", float("-inf"))
    maintenance.maintain()
    assert list(AuditEvent.objects.values_list("code", flat=True)) == ["account_made"]


def test_the_page_and_the_api_narrow_it_down(administrator: User, member: User) -> None:
    client = Client()
    client.force_login(administrator)
    first, other = add_picture("red"), add_picture("blue")
    images.delete_images([first])
    images.show_images([other.pk], "private")
    path = reverse("gallery:audit")
    page = client.get(path, {"about": "pictures"}).content.decode()
    assert "1 picture was deleted" in page
    assert "account member was made" not in page
    page = client.get(path, {"image": other.pk}).content.decode()
    assert "its owner and editors alone" in page
    assert "was deleted" not in page
    assert "Nothing of this kind" in client.get(path, {"who": "nobody"}).content.decode()
    assert "Nothing of this kind" in client.get(path, {"since": "2999-01-01"}).content.decode()
    german = client.get(path, {"about": "pictures"}, headers={"accept-language": "de"})
    assert "1 Bild wurde gelöscht" in german.content.decode()
    api = reverse("api:audit-list")
    [event] = client.get(api, {"code": "images_deleted"}).json()["results"]
    assert event["message"]["code"] == "audit.images_deleted"
    assert event["message"]["params"]["ids"] == [str(first.pk)]
    assert client.get(api, {"nothing": "x"}).status_code == 400
    client.force_login(member)
    assert client.get(api).status_code == 403
    refused = client.get(path)
    assert refused.status_code == 403
    assert "This needs the role “administrator”." in refused.content.decode()
