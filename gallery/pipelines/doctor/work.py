"""Jobs that nobody works on, and what was left of those that have ended."""

from collections.abc import Iterator

from django.db.models.functions import Now

from gallery.models import EmbeddingPlan, Job
from gallery.models.job import LEASE
from gallery.pipelines.doctor.findings import Examination, Finding, Step
from mlcore.i18n import Message


def check_jobs(examination: Examination, after: int) -> Iterator[Step]:
    """Look for runs whose worker is gone and that no other one brought back."""
    findings = []
    for job in Job.objects.filter(status=Job.Status.RUNNING, lease_until__lt=Now() - LEASE):
        mended = examination.repairing and job.requeue()
        findings.append(Finding(Message.of("doctor.job_abandoned", job=str(job)), mended))
    ended = EmbeddingPlan.objects.exclude(job__in=Job.objects.unfinished()).select_related("job")
    for plan in ended:
        if examination.repairing:
            plan.delete()
        told = Message.of("doctor.plan_left", job=str(plan.job))
        findings.append(Finding(told, examination.repairing))
    yield Step(0, findings)
