"""Go back to the model that was live before."""

from typing import Any

from django.core.management.base import BaseCommand

from gallery.management.models import expected_errors
from gallery.services import versions


class Command(BaseCommand):
    help = "Go back to the model that was live before; its index is kept, so it takes a moment."

    def handle(self, *args: Any, **options: Any) -> None:
        with expected_errors():
            index = versions.rollback(user=None)
        self.stdout.write(f"{index} is live now.")
