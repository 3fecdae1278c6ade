"""Load what searches need once, before a server does."""

from typing import Any

from django.core.management.base import BaseCommand
from PIL import Image

from mlcore.errors import ContextVisionError
from search.engine import get_engine


class Command(BaseCommand):
    help = (
        "Load the live model and index once. What this release has to compile of them for this "
        "machine's processors is compiled and kept then, while a former web server still answers."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            engine = get_engine()
            engine.encode_texts(["a first sentence"])
            engine.encode_questions(["a first sentence"])
            side = engine.encoder.image_size
            engine.encode_pictures([Image.new("RGB", (side, side))])
        except ContextVisionError as error:
            # A site without pictures has nothing to load, and is started all the same.
            self.stdout.write(f"Nothing can be searched yet: {error}")
            return
        self.stdout.write(f"Ready: {engine.version}")
