"""Roles of people."""

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction

from gallery.access import ROLES, role_group


@transaction.atomic
def give_roles(user: User, names: Iterable[str]) -> None:
    """Give a person these roles; one whose group was deleted is made anew."""
    chosen = list(names)
    user.groups.add(*(role_group(name) for name in chosen))
    if any(ROLES[name].enters_admin for name in chosen) and not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])


@transaction.atomic
def take_roles(user: User, names: Iterable[str]) -> None:
    """Take these roles away. Who holds no other one that enters the admin leaves that too, but for
    superusers."""
    user.groups.remove(*user.groups.filter(name__in=list(names)))
    entering = [name for name, role in ROLES.items() if role.enters_admin]
    if user.is_staff and not user.is_superuser and set(names) & set(entering):
        user.is_staff = user.groups.filter(name__in=entering).exists()
        user.save(update_fields=["is_staff"])
