"""The whole examination: every check in order, resumable between batches."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from gallery.models import Image, Job
from gallery.pipelines.doctor.files import check_files
from gallery.pipelines.doctor.findings import Check, Examination, Finding
from gallery.pipelines.doctor.indexes import check_indexes
from gallery.pipelines.doctor.leftovers import check_leftovers
from gallery.pipelines.doctor.vectors import check_captions, check_squares, check_vectors
from gallery.pipelines.doctor.words import check_words
from gallery.pipelines.doctor.work import check_jobs
from mlcore.i18n import Message
from mlcore.progress import Progress

CHECKS: Mapping[str, Check] = {
    "files": check_files,
    "vectors": check_vectors,
    "squares": check_squares,
    "captions": check_captions,
    "words": check_words,
    "jobs": check_jobs,
    "leftovers": check_leftovers,
    "indexes": check_indexes,
}
"""By name, in the order in which they run: what is made of something comes after it."""

EXAMPLES = 50
"""Findings that the result names; of more only the number is told."""
GOES_ON_FOR = timedelta(days=1)
"""An examination that was interrupted so long ago is not gone on with."""

Tell = Callable[[str, Finding], None]


def examine(
    job: Job, progress: Progress, *, tell: Tell = lambda check, finding: None
) -> dict[str, Any]:
    """Run all checks, or those that are named, and count what they found.

    Params: ``repair`` (mend what can be mended), ``thorough`` (read every byte of originals),
    ``checks`` (names; all where missing), ``unasked`` (nobody asked for it), ``anew`` (do not go
    on with one that was interrupted).
    How far it came stands in the row: a run that was killed goes on there, and so does the next
    job of the same kind.

    Args:
        job: the row.
        progress: is told the check.
        tell: is told each finding as it is made.
    """
    params = job.params
    examination = Examination(
        job,
        progress,
        repairing=bool(params.get("repair")),
        thorough=bool(params.get("thorough")),
        unasked=bool(params.get("unasked")),
    )
    names = [name for name in CHECKS if name in params.get("checks", CHECKS)]
    state = _begun(job) or {"checks": {}, "examples": [], "at": names[0], "after": 0}
    for number, name in enumerate(names):
        if number < names.index(state["at"]):
            continue
        after = state["after"] if name == state["at"] else 0
        counts = state["checks"].setdefault(name, {"found": 0, "mended": 0})
        state |= {"at": name, "after": after}
        job.change(result=state)
        progress.report(number, len(names), Message(f"doctor.{name}"))
        for step in CHECKS[name](examination, after):
            for finding in step.findings:
                tell(name, finding)
                counts["found"] += 1
                counts["mended"] += finding.mended
                if len(state["examples"]) < EXAMPLES:
                    state["examples"].append(finding.message.as_json())
            state["after"] = step.after
            job.change(result=state)
            progress.report(number, len(names), Message(f"doctor.{name}"))
            if progress.should_stop():
                return state
        state["after"] = 0
    progress.report(len(names), len(names))
    pictures = Image.objects.count()
    return {"checks": state["checks"], "examples": state["examples"], "pictures": pictures}


def _begun(job: Job) -> dict[str, Any] | None:
    """Return how far this job, or the last one that looked in the same way, came before it was
    interrupted."""
    if "at" in job.result:
        return dict(job.result)
    if job.params.get("anew"):
        return None
    former = Job.objects.filter(kind=Job.Kind.DOCTOR, pk__lt=job.pk).first()
    if (
        former is None
        or not former.is_finished
        or "at" not in former.result
        or former.params != job.params
        or former.created_at < timezone.now() - GOES_ON_FOR
    ):
        return None
    return dict(former.result)
