"""The Celery app, and the pulse by which every worker keeps the system in order."""

import logging
import os
import threading
from typing import Any

from celery import Celery, bootsteps
from celery.signals import worker_shutdown, worker_shutting_down
from kombu import Queue
from kombu.transport import TRANSPORT_ALIASES

logger = logging.getLogger(__name__)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "contextvision_site.settings")

TRANSPORT_ALIASES["filesystem"] = "contextvision_site.broker:Transport"
app = Celery("contextvision")
app.config_from_object("django.conf:settings", namespace="CELERY")
# `train` is for a worker of its own, with one process and no fork: a training would hold up
# everything else, and CUDA cannot be started again in a forked process.
# `embed` carries invitations to help with an embedding; a machine may listen to it alone.
app.conf.task_queues = [Queue("default"), Queue("embed"), Queue("train")]
app.autodiscover_tasks()


_counting = threading.Lock()


def _count_in_background() -> None:
    """Count for the filters of the pages, where these see what a worker remembers.

    In a large gallery that takes seconds, so the pulse does not wait for it.
    """
    from gallery.caching import SteadyCache

    if SteadyCache().is_shared and not _counting.locked():
        threading.Thread(target=_count, name="count-ahead", daemon=True).start()


def _count() -> None:
    from django.db import connections

    from search.facets import count_ahead

    with _counting:
        try:
            count_ahead()
        except Exception:  # as in the pulse
            logger.warning("Nothing was counted ahead; it is tried again.", exc_info=True)
        finally:
            connections.close_all()


class Pulse(bootsteps.StartStopStep):
    """Tells every few seconds that this worker is there, and does the system's maintenance if no
    other worker has done it in this interval.

    It stands in for a scheduler process: with any worker running, lost jobs come back.
    """

    requires = ("celery.worker.components:Timer",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.timer_entries: list[Any] = []

    def start(self, parent: Any) -> None:
        from gallery.models import WorkerPulse
        from gallery.services.sentences import INTERVAL

        interval = WorkerPulse.INTERVAL.total_seconds()
        self.beat(parent)
        self.timer_entries = [
            parent.timer.call_repeatedly(interval, self.beat, (parent,)),
            parent.timer.call_repeatedly(INTERVAL, self.look_for_sentences),
        ]

    def stop(self, parent: Any) -> None:
        for entry in self.timer_entries:
            entry.cancel()

    def look_for_sentences(self) -> None:
        """What somebody wrote shall be found within seconds, so this is asked more often."""
        from django.db import close_old_connections

        from gallery.services.sentences import ask_for_reading

        close_old_connections()
        try:
            ask_for_reading()
        except Exception:  # as in the beat
            logger.warning("Nobody looked for new captions; it is tried again.", exc_info=True)
        finally:
            close_old_connections()

    def beat(self, parent: Any) -> None:
        from django.db import close_old_connections

        from gallery.models import MaintenanceTurn, WorkerPulse
        from gallery.services.maintenance import maintain

        close_old_connections()
        try:
            WorkerPulse.objects.beat(parent.hostname, ", ".join(sorted(app.amqp.queues)))
            if MaintenanceTurn.objects.take():
                maintain()
                _count_in_background()
        except Exception:  # an outage of the database: the next beat tries again
            logger.warning("Maintenance failed; it is tried again.", exc_info=True)
        finally:
            close_old_connections()


@worker_shutting_down.connect
def _ask_jobs_back(**_: Any) -> None:
    """In the signal's handler; what runs asks for this at its next safe point."""
    from gallery.jobs import shutdown

    shutdown.requested.set()


@worker_shutdown.connect
def _send_what_was_handed_back(**_: Any) -> None:
    """So that another worker begins at once. Where this fails, the next maintenance does it."""
    from django.db import close_old_connections

    from gallery.services import jobs

    close_old_connections()
    try:
        jobs.recover()
    except Exception:  # an outage of the database, which leaves nothing else to do here
        logger.warning("Jobs were handed back and not sent.", exc_info=True)


app.steps["worker"].add(Pulse)
