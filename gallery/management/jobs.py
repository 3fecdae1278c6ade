"""What the commands that run a job in the foreground have in common."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gallery.jobs.cards import JobCard
from gallery.jobs.kinds import Body
from gallery.models import Failure, Job
from gallery.services import jobs
from mlcore.i18n import Message
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
    rows = JobCard(job).account or [
        (name.replace("_", " "), str(_plain(value)))
        for name, value in job.result.items()
        if value not in ({}, [])
    ]
    width = max((len(name) for name, _ in rows), default=0)
    for name, told in rows:
        command.stdout.write(f"{name:>{width}}  {told}")
    _print_failures(command, job)
    return job


def run_quietly(
    kind: Job.Kind, params: dict[str, Any], *, unit: str = "pictures", body: Body | None = None
) -> Job:
    """Run a job here under a progress bar, and leave it to the caller to say what came of it.

    Raises:
        CommandError: as :func:`run_in_foreground`.
    """
    with ProgressBar(unit) as bar:
        job = jobs.run_here(kind, params, watcher=bar, body=body)
    if job.status == Job.Status.FAILED:
        raise CommandError(str(job.error))
    if job.status == Job.Status.QUEUED:
        jobs.cancel(job)
        raise CommandError(str(Message("job.place_is_taken")))
    return job


def _plain(value: Any) -> Any:
    """Put messages into words."""
    if isinstance(value, list):
        return "; ".join(map(str, map(_plain, value)))
    if isinstance(value, dict):
        if value.keys() == {"code", "params"}:
            return str(Message.from_json(value))
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return value


def _reason(failure: Failure) -> str:
    """Say why, without the name of the file once more."""
    reason = failure.reason
    if reason.code == "image.rejected":
        return str(reason.params["reason"])
    return str(reason)


def _print_failures(command: BaseCommand, job: Job) -> None:
    failures = Failure.objects.filter(job=job)
    total = failures.count()
    if not total:
        return
    command.stderr.write(f"{total} failed:")
    for failure in failures.order_by("id")[:SHOWN_FAILURES]:
        command.stderr.write(f"  {failure.item}: {_reason(failure)}")
    if total > SHOWN_FAILURES:
        command.stderr.write(f"  and {total - SHOWN_FAILURES} more")
    command.stderr.write("The whole list is on the failures page and can be retried there.")
