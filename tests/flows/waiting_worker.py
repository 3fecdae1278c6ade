"""The product's worker with a STUB for a model: it waits instead of computing.

For what is to be seen of how work is shared, and not of how fast this machine computes: two workers
on two busy cores would only take turns. Everything but the model is the real thing. Started as
``celery -A tests.flows.waiting_worker``; the variables below set the pace.
"""

import os
import signal
import time
from collections.abc import Sequence
from typing import Any

from celery.signals import worker_init
from PIL.Image import Image

import mlcore.encoders.cache
from contextvision_site.celery import app
from mlcore.config import FloatMatrix
from tests.encoders import ColourEncoder

__all__ = ["WAIT", "app"]

WAIT = "TEST_SECONDS_A_PICTURE"
CHUNK = "TEST_PICTURES_A_CHUNK"


class WaitingEncoder(ColourEncoder):
    """Waits so long for each picture, and takes its process with it at the sight of a black one."""

    def encode_images(self, images: Sequence[Image]) -> FloatMatrix:
        if any(sum(image.resize((1, 1)).getpixel((0, 0))) < 30 for image in images):  # type: ignore[arg-type]
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(os.environ.get(WAIT, "0")) * len(images))
        return super().encode_images(images)


@worker_init.connect
def _take_the_stub(**_: Any) -> None:
    """In the worker alone: tests import this module for its names."""
    from gallery.models import chunk

    chunk.CHUNK = int(os.environ.get(CHUNK, chunk.CHUNK))
    setattr(mlcore.encoders.cache, "load_encoder", lambda reference, **options: WaitingEncoder())  # noqa: B010
