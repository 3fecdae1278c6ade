"""Whether the process answers, and whether the whole product would.

Nothing here waits for a service that hangs: each check runs in a thread of its own, and one that
has not ended in time is reported as such and not started a second time beside itself.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from contextvision_site.celery import app
from gallery.disk import least_room
from gallery.models import WorkerPulse
from gallery.vectors.errors import VectorStoreUnavailableError
from mlcore.errors import ContextVisionError
from search.engine import NoActiveIndexError, get_engine

logger = logging.getLogger(__name__)

PATIENCE = 1.0
"""Seconds for all checks together; probes usually give up after a few."""


class NotReadyError(Exception):
    """A check found that something is missing; the message says what, for anybody to read."""


@dataclass(frozen=True, slots=True)
class Finding:
    ok: bool
    reason: str


class Check:
    """One thing that must be there, looked at in a thread."""

    def __init__(self, look: Callable[[], str], *, broken: str, slow: str) -> None:
        self._look = look
        self._broken = Finding(False, broken)
        self._slow = Finding(False, slow)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._finding = self._slow

    def start(self) -> None:
        """Begin to look, unless an earlier look has not ended yet."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="health", daemon=True)
                self._thread.start()

    def result(self, until: float) -> Finding:
        """Return what was found, waiting at most until this time of the monotonic clock."""
        thread = self._thread
        assert thread is not None, "start() comes first"  # noqa: S101
        thread.join(max(0.0, until - time.monotonic()))
        return self._slow if thread.is_alive() else self._finding

    def _run(self) -> None:
        try:
            self._finding = Finding(True, self._look())
        except NotReadyError as error:
            self._finding = Finding(False, str(error))
        except Exception as error:  # what a service raises may hold its address and password
            logger.warning("%s %s: %s", self._broken.reason, type(error).__name__, error)
            self._finding = self._broken
        finally:
            connections.close_all()


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "It answers."


def _broker() -> str:
    if settings.CELERY_BROKER_URL.startswith("filesystem"):
        options = app.conf.broker_transport_options
        for folder in (Path(value) for name, value in options.items() if "folder" in name):
            if not (folder.is_dir() and os.access(folder, os.W_OK)):
                raise NotReadyError("A folder of the queue is missing or cannot be written to.")
        return "Its folders can be written to."
    with app.connection_for_write(connect_timeout=PATIENCE) as broker:
        # Twice at most, without the seconds that kombu sleeps between tries by itself.
        broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
    return "It answers."


def _search() -> str:
    try:
        engine = get_engine()
        engine.index.check()
    except NoActiveIndexError as error:
        raise NotReadyError(str(error)) from error
    except VectorStoreUnavailableError as error:
        logger.warning("The search is not ready: %s", error)
        raise NotReadyError("The vector store cannot be reached.") from error
    except ContextVisionError as error:
        # Its words may name folders of this machine, which are for the log only.
        logger.warning("The search is not ready: %s", error)
        raise NotReadyError("The model or the index cannot be loaded; the log says why.") from error
    if engine.warning:
        logger.warning("The search is impaired: %s", engine.warning)
        return "Searches are answered, but not by the index that should; the log says why."
    number, encoder = engine.version.pk, engine.encoder
    return f"Index {number} and its model {encoder.name!r} are loaded, on {encoder.runtime}."


def _worker() -> str:
    workers = WorkerPulse.objects.alive().count()
    if not workers:
        seconds = int(WorkerPulse.LIFETIME.total_seconds())
        raise NotReadyError(f"No worker has been seen for {seconds} seconds; start one.")
    return f"{workers} seen lately."


def _disk() -> str:
    room = least_room()
    free, kept = (
        size // settings.MEGABYTE for size in (room.free, settings.CONTEXTVISION_DISK_RESERVE_BYTES)
    )
    if room.is_full:
        raise NotReadyError(
            f"The disk is full: {free} MB are free, and the last {kept} are kept for database and "
            "queue. Nothing more is taken in; free some space."
        )
    if room.is_low:
        return f"The disk is filling up: {free} MB are free; below {kept} nothing is taken in."
    return f"{free} MB are free."


CHECKS = {
    "database": Check(
        _database,
        broken="The database cannot be reached.",
        slow="The database does not answer in time.",
    ),
    "broker": Check(
        _broker,
        broken="The message broker cannot be reached; jobs wait until it is back.",
        slow="The message broker does not answer in time.",
    ),
    "search": Check(
        _search,
        broken="The model and the index cannot be loaded.",
        slow="The model and the index are being loaded.",
    ),
    "worker": Check(
        _worker,
        broken="Whether a worker is there cannot be told without the database.",
        slow="The database does not answer in time.",
    ),
    "disk": Check(
        _disk,
        broken="How much room there is on the disk cannot be told.",
        slow="The disk does not answer in time.",
    ),
}


@login_not_required
@never_cache
@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Tell that the process answers; it needs nothing else for that."""
    return JsonResponse({"status": "alive"})


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Tell whether everything is there that the product needs, and if not, what is missing."""
    for check in CHECKS.values():
        check.start()
    until = time.monotonic() + PATIENCE
    findings = {name: check.result(until) for name, check in CHECKS.items()}
    ready = all(finding.ok for finding in findings.values())
    answer = {
        "status": "ready" if ready else "not ready",
        "checks": {name: asdict(finding) for name, finding in findings.items()},
    }
    return JsonResponse(answer, status=200 if ready else 503)
