"""Jobs, failures and workers: what runs, what went wrong, and who is there."""

from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.admin.base import RecordAdmin, link, thumbnail_of
from gallery.jobs.cards import JobCard
from gallery.models import Failure, Job, JobEvent, ResumableUpload, WorkerPulse
from gallery.uploads import resumable


@admin.register(Job)
class JobAdmin(RecordAdmin[Job]):
    list_display = [
        "id",
        "kind",
        "state",
        "progress",
        "outcome",
        "created_by",
        "created_at",
        "page",
    ]
    list_filter = ["kind", "status", "is_defect", "created_at"]
    list_select_related = ["created_by"]
    search_fields = ["error", "message"]
    fields = [
        "kind", "state", "progress", "message", "outcome", "error", "params", "result", "attempt",
        "created_by", "created_at", "started_at", "finished_at", "page",
    ]  # fmt: skip

    @admin.display(description=_("State"), ordering="status")
    def state(self, job: Job) -> SafeString:
        card = JobCard(job)
        return format_html('<span class="badge {}">{}</span>', card.state, card.state_in_words)

    @admin.display(description=_("Progress"))
    def progress(self, job: Job) -> SafeString | str:
        if not job.total:
            return "–"
        return format_html(
            '<progress max="{}" value="{}" aria-label="{}"></progress> {} %',
            job.total,
            job.done,
            gettext("Progress"),
            job.percent,
        )

    @admin.display(description=_("What came of it"))
    def outcome(self, job: Job) -> str:
        card = JobCard(job)
        return card.outcome or card.error or "–"

    @admin.display(description=_("Page"))
    def page(self, job: Job) -> SafeString:
        return link(reverse("gallery:job", args=[job.pk]), gettext("Watch, stop, start again"))


@admin.register(JobEvent)
class JobEventAdmin(RecordAdmin[JobEvent]):
    """The logs of jobs: they are only read."""

    list_display = ["job", "at", "message"]
    list_select_related = ["job"]
    list_filter = ["at"]
    search_fields = ["message"]
    search_help_text = _("Codes and names in the log.")


@admin.register(ResumableUpload)
class ResumableUploadAdmin(RecordAdmin[ResumableUpload]):
    """Uploads that are on their way; one that is removed here goes with what has arrived of it."""

    list_display = ["name", "owner", "size", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "owner__username"]
    search_help_text = _("Name of the file or of its sender.")

    def delete_model(self, request: HttpRequest, obj: ResumableUpload) -> None:
        resumable.discard(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ResumableUpload]) -> None:
        for file in queryset:
            resumable.discard(file)


@admin.register(Failure)
class FailureAdmin(RecordAdmin[Failure]):
    """The ledger. A row may be removed by hand once it is settled in another way."""

    list_display = ["item", "thumbnail", "stage", "reason", "attempts", "last_seen", "job", "page"]
    list_filter = ["stage", "last_seen"]
    list_select_related = ["job", "image"]
    search_fields = ["item", "reason"]

    @admin.display(description=_("Picture"))
    def thumbnail(self, failure: Failure) -> SafeString | str:
        return thumbnail_of(failure.image)

    @admin.display(description=_("Page"))
    def page(self, failure: Failure) -> SafeString:
        address = f"{reverse('gallery:failures')}?{urlencode({'stage': failure.stage})}"
        return link(address, gettext("Try again"))


@admin.register(WorkerPulse)
class WorkerPulseAdmin(RecordAdmin[WorkerPulse]):
    list_display = ["hostname", "queues", "seen_at"]
