"""`python -m tools.fanout`: what a second worker adds, with real workers.

Needs ``DATABASE_URL`` (PostgreSQL) and ``CELERY_BROKER_URL`` (Redis); makes a database of its own
beside that one, and removes it. Database, broker, workers, files and decoding are real. The model
is a STUB that waits 20 ms for a picture instead of computing (``tests/flows/waiting_worker.py``),
as a model on a device of its own would: two workers that compute on the same cores add nothing.
"""

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

PICTURES = 2_048
WAIT = 0.020
"""Seconds that the stub waits for a picture: what the starter takes in torch."""


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "contextvision_site.settings.test"
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection
    from django.test.utils import get_runner, setup_test_environment

    if connection.vendor != "postgresql":
        sys.exit("Set DATABASE_URL to a PostgreSQL and CELERY_BROKER_URL to a Redis database.")
    setup_test_environment()
    runner = get_runner(settings, "django.test.runner.DiscoverRunner")(
        verbosity=0, interactive=False
    )
    databases = runner.setup_databases()
    try:
        _measure_all()
    finally:
        runner.teardown_databases(databases)


def _measure_all() -> None:
    from tests.pictures_of_colours import add_many

    for block in range(PICTURES // 128):  # another size makes other files
        add_many(128, size=(48 + block, 40))
    sys.stdout.write("| Workers | Pictures | Seconds | Pictures/s | Of one worker |\n")
    sys.stdout.write("|---:|---:|---:|---:|---:|\n")
    alone = 0.0
    for workers in (1, 2):
        seconds = _measure(workers)
        rate = PICTURES / seconds
        alone = alone or rate
        sys.stdout.write(
            f"| {workers} | {PICTURES:,} | {seconds:.1f} | {rate:.1f} | {rate / alone:.2f} |\n"
        )
        sys.stdout.flush()


def _measure(workers: int) -> float:
    """Embed everything once; return the seconds from the start of the job to its end, in which the
    second worker also has to hear of it."""
    from contextvision_site.celery import app
    from gallery.models import ImageEmbedding, Job, WorkerPulse
    from gallery.services import jobs
    from tests.flows.waiting_worker import WAIT as PACE
    from tests.flows.worker import running_worker, wait_until

    def ended() -> bool:
        job.refresh_from_db()
        return job.is_finished

    app.control.purge()
    for rows in (Job.objects, ImageEmbedding.objects, WorkerPulse.objects):
        rows.all().delete()
    # After a failure maintenance leaves it to a person to begin.
    Job.objects.create(kind=Job.Kind.EMBED, status=Job.Status.FAILED)
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number in range(workers):
            name = f"w{number}@fanout"
            stack.enter_context(
                running_worker(
                    logs / name,
                    hostname=name,
                    app="tests.flows.waiting_worker",
                    **{PACE: str(WAIT)},
                )
            )
        job = jobs.start(Job.Kind.EMBED)
        wait_until(ended, seconds=600, what="the end of the job")
    assert job.status == Job.Status.SUCCEEDED, job.error
    assert job.started_at is not None
    assert job.finished_at is not None
    assert ImageEmbedding.objects.count() == job.result["embedded"] == PICTURES
    return (job.finished_at - job.started_at).total_seconds()


if __name__ == "__main__":
    main()
