"""Naming people on the command line."""

from django.contrib.auth.models import User
from django.core.management.base import CommandError


def user_named(name: str) -> User:
    """Return the user of this name.

    Raises:
        CommandError: there is none.
    """
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is no user {name!r}.")
    return user
