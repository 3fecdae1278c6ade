"""Give roles to people, and take them away."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError

from gallery.access import ROLES
from gallery.management.users import user_named
from gallery.services import accounts


class Command(BaseCommand):
    help = (
        "Show the roles of USER; with ROLE, give it these, or take them away with --remove. Roles "
        "are viewer, contributor, editor, trainer, operator and administrator; docs/access.md "
        "tells what each may do. An administrator may open /admin/ too, where groups are edited."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="name of the account")
        parser.add_argument("roles", nargs="*", metavar="role")
        parser.add_argument("--remove", action="store_true", help="take them away")

    def handle(self, *args: Any, **options: Any) -> None:
        user = user_named(options["user"])
        if unknown := set(options["roles"]) - set(ROLES):
            raise CommandError(
                f"There is no role {', '.join(sorted(unknown))}. Choose from {', '.join(ROLES)}."
            )
        change = accounts.take_roles if options["remove"] else accounts.give_roles
        if options["roles"]:
            change(user, options["roles"])
        held = Group.objects.filter(user=user).order_by("name").values_list("name", flat=True)
        everything = ", and everything as a superuser" if user.is_superuser else ""
        self.stdout.write(f"{user.get_username()}: {', '.join(held) or 'no role'}{everything}")
