"""What the commands that run a job in the foreground have in common."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gallery.models import Failure, Job
from gallery.services import jobs
from mlcore.progress import ProgressBar

SHOWN_FAILURES = 10


def run_in_foreground(
    command: BaseCommand, kind: Job.Kind, params: dict[str, Any], *, unit: str = "pictures"
) -> Job:
    """Run a job here under a progress bar, and print what came of it as a table.

    Raises:
        CommandError: the job failed, with its reason, or another one holds the place that it needs.
    """
    job = run_quietly(kind, params, unit=unit)
    width = max((len(name) for name in job.result), default=0)
    for name, value in job.result.items():
        command.stdout.write(f"{name:>{width}}  {value}")
    _print_failures(command, job)
    return job


def run_quietly(kind: Job.Kind, params: dict[str, Any], *, unit: str = "pictures") -> Job:
    """Run a job here under a progress bar, and leave it to the caller to say what came of it.

    Raises:
        CommandError: as :func:`run_in_foreground`.
    """
    with ProgressBar(unit) as bar:
        job = jobs.run_here(kind, params, watcher=bar)
    if job.status == Job.Status.FAILED:
        raise CommandError(job.error)
    if job.status == Job.Status.QUEUED:
        jobs.cancel(job)
        raise CommandError(
            "Another training or evaluation is running, and there is room for one at a time. Wait "
            "for its end, or queue this one from the pages or the API."
        )
    return job


def _print_failures(command: BaseCommand, job: Job) -> None:
    failures = Failure.objects.filter(job=job)
    total = failures.count()
    if not total:
        return
    command.stderr.write(f"{total} failed:")
    for failure in failures.order_by("id")[:SHOWN_FAILURES]:
        command.stderr.write(f"  {failure.item}: {failure.reason}")
    if total > SHOWN_FAILURES:
        command.stderr.write(f"  and {total - SHOWN_FAILURES} more")
    command.stderr.write("The whole list is on the failures page and can be retried there.")
