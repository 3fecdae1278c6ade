"""The kinds of jobs: all that the program knows about each stands here, in one object.

A new kind is a line of :class:`gallery.models.Job.Kind`, which the database keeps, its object here,
and a module of :mod:`gallery.pipelines` with its body.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.jobs import outcomes
from gallery.jobs.accounts import Row, import_account
from gallery.models import Job
from mlcore.i18n import Message
from mlcore.progress import Progress

Body: TypeAlias = Callable[[Job, Progress], dict[str, Any]]
"""The work of one kind of job: takes the claimed row, returns what came of it as JSON values."""

Address: TypeAlias = Callable[[Job], str]
"""Finds the page of what came of a job; empty where there is none."""


def _nowhere(job: Job) -> str:
    return ""


def _no_account(result: Mapping[str, Any]) -> list[Row]:
    return []


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of job. Which kinds run one at a time is a constraint of the database:
    ``Job.ONE_AT_A_TIME``."""

    code: Job.Kind
    body: str
    """Where its work is, as a dotted path: workers import it, and nobody else."""
    outcome: Callable[[Mapping[str, Any]], list[Message]]
    """Puts its result into sentences."""
    permission: str
    """What somebody has to be allowed who starts one, and who starts one again."""
    address: Address = _nowhere
    link: Promise | str | Callable[[Job], str] = ""
    """What the link to that address says."""
    account: Callable[[Mapping[str, Any]], list[Row]] = _no_account
    """Tells its result in full, row by row, where sentences would be too many."""
    queue: Literal["default", "train"] = "default"
    """``train`` has workers of its own, which may hold a graphics card."""
    counts: Literal["pictures", "steps"] = "pictures"
    """What its progress is counted in."""

    def load_body(self) -> Body:
        """Import its work."""
        body: Body = import_string(self.body)
        return body


def _chosen_pictures(job: Job) -> str:
    return f"{reverse('gallery:manage')}?job={job.pk}"


def _imported(job: Job) -> str:
    if _was_look(job):
        return f"{reverse('gallery:import')}?again={job.pk}" if "source" in job.params else ""
    return _chosen_pictures(job) if job.result.get("added") else ""  # also of one that was stopped


def _imported_link(job: Job) -> str:
    return gettext("Import it") if _was_look(job) else gettext("See the pictures")


def _was_look(job: Job) -> bool:
    return bool(job.params.get("dry_run"))


def _embedded(job: Job) -> str:
    succeeded = job.status == Job.Status.SUCCEEDED
    return _chosen_pictures(job) if succeeded and job.params.get("images") else ""


def _page(name: str, needs: str, *, of: Callable[[Job], list[Any]] = lambda job: []) -> Address:
    """Lead to a page once a job has succeeded, if its result holds ``needs``."""

    def address(job: Job) -> str:
        if job.status != Job.Status.SUCCEEDED or needs not in job.result:
            return ""
        return reverse(f"gallery:{name}", args=of(job))

    return address


_ALL = (
    JobKind(
        Job.Kind.IMPORT,
        body="gallery.pipelines.importing.import_pictures",
        outcome=outcomes.imported,
        permission="gallery.add_image",
        account=import_account,
        address=_imported,
        link=_imported_link,
    ),
    JobKind(
        Job.Kind.EMBED,
        body="gallery.pipelines.embedding.embed_pictures",
        outcome=outcomes.embedded,
        permission="gallery.add_job",
        address=_embedded,
        link=_("See the pictures"),
    ),
    JobKind(
        Job.Kind.INDEX,
        body="gallery.pipelines.indexing.rebuild_index",
        counts="steps",
        outcome=outcomes.indexed,
        permission="gallery.add_indexversion",
        address=_page("versions", "index"),
        link=_("See what is live"),
    ),
    JobKind(
        Job.Kind.TRAIN,
        body="gallery.pipelines.training.train",
        queue="train",
        counts="steps",
        outcome=outcomes.trained,
        permission="gallery.add_modelversion",
        address=_page("model", "model", of=lambda job: [job.result["model"]]),
        link=_("See the new model"),
    ),
    JobKind(
        Job.Kind.EVALUATE,
        body="gallery.pipelines.evaluating.evaluate",
        queue="train",
        outcome=outcomes.evaluated,
        permission="gallery.add_evaluation",
        address=_page("evaluation", "evaluation", of=lambda job: [job.result["evaluation"]]),
        link=_("See the report"),
    ),
    JobKind(
        Job.Kind.PROMOTE,
        body="gallery.pipelines.promotion.promote",
        outcome=outcomes.promoted,
        permission="gallery.add_promotion",
        address=_page("versions", "promotion"),
        link=_("See what is live"),
    ),
    JobKind(
        Job.Kind.EXPORT,
        body="gallery.pipelines.exporting.export",
        counts="steps",
        outcome=outcomes.exported,
        permission="gallery.export_modelversion",
        address=_page("job-download", "file", of=lambda job: [job.pk]),
        link=_("Download it"),
    ),
    JobKind(
        Job.Kind.DOCTOR,
        body="gallery.pipelines.doctor.examination.examine",
        counts="steps",
        outcome=outcomes.examined,
        permission="gallery.add_job",
    ),
    JobKind(
        Job.Kind.SYNC,
        body="gallery.pipelines.syncing.sync",
        outcome=outcomes.synced,
        permission="gallery.change_syncsource",
        account=import_account,
        address=_imported,
        link=_("See the pictures"),
    ),
)

KINDS: Mapping[str, JobKind] = {kind.code.value: kind for kind in _ALL}
"""By what the row of a job says."""
