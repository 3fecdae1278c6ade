"""Jobs, failures and workers: what runs, what went wrong, and who is there."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gallery.admin.base import RecordAdmin, job_link, person, thumbnail_of
from gallery.models import Failure, Job, WorkerPulse
from gallery.services import jobs as service
from gallery.views.presenting import JobCard
from mlcore.errors import ContextVisionError


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
        "watch",
    ]
    list_filter = ["kind", "status", "is_defect", "created_at"]
    list_select_related = ["created_by"]
    search_fields = ["error", "message"]
    actions = ["cancel", "retry"]
    fields = [
        "kind", "state", "progress", "message", "outcome", "error", "params", "result", "attempt",
        "created_by", "created_at", "started_at", "finished_at", "watch",
    ]  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Job | None = None) -> list[str]:
        return [str(name) for name in self.fields]

    @admin.display(description="State", ordering="status")
    def state(self, job: Job) -> SafeString:
        card = JobCard(job)
        return format_html('<span class="badge {}">{}</span>', card.state, card.state_in_words)

    @admin.display(description="Progress")
    def progress(self, job: Job) -> SafeString | str:
        if not job.total:
            return "–"
        return format_html(
            '<progress max="{}" value="{}" aria-label="Progress"></progress> {} %',
            job.total,
            job.done,
            job.percent,
        )

    @admin.display(description="What came of it")
    def outcome(self, job: Job) -> str:
        return JobCard(job).outcome or job.error or "–"

    @admin.display(description="Live")
    def watch(self, job: Job) -> SafeString:
        return format_html('<a href="{}">Watch</a>', reverse("gallery:job", args=[job.pk]))

    @admin.action(description="Cancel the selected jobs", permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        for job in queryset:
            try:
                service.cancel(job)
            except ContextVisionError as error:
                messages.error(request, str(error))
            else:
                messages.success(request, f"{job} is being stopped. What it has finished stays.")

    @admin.action(description="Start the selected jobs again", permissions=["change"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        for job in queryset:
            try:
                again = service.retry(job, user=person(request))
            except ContextVisionError as error:
                messages.error(request, str(error))
            else:
                messages.success(request, format_html("Queued: {}.", job_link(again)))


@admin.register(Failure)
class FailureAdmin(RecordAdmin[Failure]):
    """The ledger. A row may be removed by hand once it is settled in another way."""

    list_display = ["item", "thumbnail", "stage", "reason", "attempts", "last_seen", "job"]
    list_filter = ["stage", "last_seen"]
    list_select_related = ["job", "image"]
    search_fields = ["item", "reason"]
    actions = ["retry"]

    @admin.display(description="Picture")
    def thumbnail(self, failure: Failure) -> SafeString | str:
        return thumbnail_of(failure.image)

    @admin.action(description="Try the selected items again", permissions=["change"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Failure]) -> None:
        try:
            started = service.retry_failures(queryset, user=person(request))
        except ContextVisionError as error:
            messages.error(request, str(error))
            return
        for job in started:
            messages.success(request, format_html("Queued: {}.", job_link(job)))


@admin.register(WorkerPulse)
class WorkerPulseAdmin(RecordAdmin[WorkerPulse]):
    list_display = ["hostname", "queues", "seen_at"]

    def has_change_permission(self, request: HttpRequest, obj: WorkerPulse | None = None) -> bool:
        return False
