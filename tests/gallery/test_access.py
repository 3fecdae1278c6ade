"""Roles: what they hold at first, that this is documented, and that it stays in people's hands."""

import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import connection

from gallery import access
from gallery.access import ROLES
from gallery.services import accounts
from tests.services import REPOSITORY

pytestmark = pytest.mark.django_db

_ROW = re.compile(r"^\| `(?P<name>\w+\.\w+)` \| [^|]+ \| (?P<roles>[^|]*)\|$", re.MULTILINE)


@pytest.fixture(autouse=True)
def roles(db: None) -> None:
    """A test with transactions of its own empties all tables, these too."""
    if not Group.objects.exists():
        for name in ROLES:
            access.role_group(name)


def held(group: Group) -> set[str]:
    rows = group.permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows}


def test_the_migrations_make_the_roles() -> None:
    """Where this fails: a migration gives what is new, by ``gallery.migrations._roles.give``."""
    for name, role in ROLES.items():
        assert held(Group.objects.get(name=name)) == role.permissions, name


def test_permissions_that_a_migration_made_are_called_as_django_calls_them() -> None:
    named = dict(Permission.objects.values_list("codename", "name"))
    assert named["add_image"] == "Can add image"
    assert named["view_evaluation"] == "Can view evaluation"
    assert named["view_every_image"] == "Can see every image, whoever it is for"
    doubled = Permission.objects.values_list("content_type", "codename")
    assert len(doubled) == len(set(doubled))


def test_the_table_of_the_docs_is_that_of_the_code() -> None:
    page = (REPOSITORY / "docs" / "access.md").read_text(encoding="utf-8")
    told = {row["name"]: set(re.findall(r"\w+", row["roles"])) for row in _ROW.finditer(page)}
    held_by = {
        permission: {name for name, role in ROLES.items() if permission in role.permissions}
        for permission in set().union(*(role.permissions for role in ROLES.values()))
    }
    assert all("administrator" in names for names in held_by.values())
    assert told == {name: names - {"administrator"} for name, names in held_by.items()}
    roles = page.partition("## Roles")[2].partition("\n\nAn account")[0]
    assert re.findall(r"^\| ([a-z]+) \|", roles, re.MULTILINE) == [*ROLES]


def test_every_permission_that_is_asked_exists_and_some_role_holds_it() -> None:
    pattern = re.compile(r"""["'](gallery\.(?:view|add|change|delete|export)_\w+)["']""")
    in_templates = re.compile(r"perms\.(\w+\.\w+)")
    asked = set()
    for folder, suffix, found in (
        *((name, "py", pattern) for name in ("gallery", "search", "contextvision_site")),
        ("templates", "html", in_templates),
    ):
        for path in (REPOSITORY / folder).rglob(f"*.{suffix}"):
            asked |= set(found.findall(path.read_text(encoding="utf-8")))
    assert len(asked) > 15
    assert asked <= ROLES["administrator"].permissions
    assert {str(Path(name)) for name in asked} == {
        f"{app}.{codename}"
        for app, codename in access.named(asked).values_list("content_type__app_label", "codename")
    }


def test_who_was_staff_may_do_after_the_upgrade_what_he_did() -> None:
    Group.objects.all().delete()
    own = Group.objects.create(name="editor")  # somebody's own group, which keeps what it holds
    people = {
        name: User.objects.create_user(name, is_staff=name == "staff", is_superuser=name == "boss")
        for name in ("staff", "member", "boss")
    }
    editor = SimpleNamespace(connection=connection)
    import_module("gallery.migrations.0009_roles").make_roles(apps, editor)
    import_module("gallery.migrations.0015_proposals").let_trainers_propose(apps, editor)
    staff = User.objects.get(username="staff")
    could = {*ROLES["editor"].permissions, *ROLES["trainer"].permissions}
    assert staff.has_perms(could | ROLES["operator"].permissions)
    assert not staff.has_perm("auth.change_user")
    assert not held(own)
    groups = {
        name: set(user.groups.values_list("name", flat=True)) for name, user in people.items()
    }
    assert groups == {
        "staff": {"editor", "trainer", "operator"},
        "member": {"viewer"},
        "boss": set(),
    }


def test_what_an_administrator_changed_stays_when_migrations_run_again() -> None:
    editors = Group.objects.get(name="editor")
    editors.permissions.remove(*access.named(["gallery.delete_image"]))
    Group.objects.get(name="viewer").delete()
    call_command("migrate", verbosity=0)
    assert "gallery.delete_image" not in held(editors)
    assert not Group.objects.filter(name="viewer").exists()


def test_the_command_gives_tells_and_takes(capsys: pytest.CaptureFixture[str]) -> None:
    ann = User.objects.create_user("ann")
    call_command("role", "ann", "editor", "administrator")
    assert "ann: administrator, editor" in capsys.readouterr().out
    ann = User.objects.get(pk=ann.pk)
    assert ann.is_staff
    assert ann.has_perm("gallery.change_image")
    call_command("role", "ann", "administrator", "--remove")
    assert "ann: editor" in capsys.readouterr().out
    assert not User.objects.get(pk=ann.pk).is_staff
    with pytest.raises(CommandError, match="no role king"):
        call_command("role", "ann", "king")


def test_a_role_that_was_deleted_is_made_anew_when_it_is_given(member: User) -> None:
    Group.objects.get(name="operator").delete()
    accounts.give_roles(member, ["operator"])
    assert held(Group.objects.get(name="operator")) == ROLES["operator"].permissions


def test_a_refusal_names_the_roles_that_hold_it_now(member: User) -> None:
    with pytest.raises(PermissionDenied, match="“operator” or “administrator”"):
        access.require(member, "gallery.add_promotion")
    curators = Group.objects.create(name="curators")
    curators.permissions.set(access.named(["gallery.add_promotion"]))
    Group.objects.get(name="operator").delete()
    with pytest.raises(PermissionDenied, match="“administrator” or “curators”"):
        access.require(member, "gallery.add_promotion")
    Group.objects.all().delete()
    with pytest.raises(PermissionDenied, match=r"no role of this site holds: gallery\.add_job"):
        access.require(member, "gallery.add_job")
