"""Jobs, failures and workers: what runs, what went wrong, and who is there."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from gallery.admin.base import (
    CONFIRMED,
    RecordAdmin,
    confirmation,
    counted,
    person,
    queued,
    thumbnail_of,
)
from gallery.models import Failure, IncomingFile, Job, JobEvent, WorkerPulse
from gallery.models.job import JobQuerySet
from gallery.services import incoming
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
        return JobCard(job).outcome or job.error or "–"

    @admin.display(description=_("Live"))
    def watch(self, job: Job) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>', reverse("gallery:job", args=[job.pk]), gettext("Watch")
        )

    @admin.action(description=_("Cancel the selected jobs"), permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: JobQuerySet) -> HttpResponse | None:
        going = queryset.unfinished()
        if CONFIRMED not in request.POST and (count := going.count()):
            ended = queryset.count() - count
            already = ngettext(
                "%(count)s more has ended already; nothing happens to it.",
                "%(count)s more have ended already; nothing happens to them.",
                ended,
            )
            return confirmation(
                request,
                self,
                title=counted(
                    ngettext("Cancel %(count)s job?", "Cancel %(count)s jobs?", count), count
                ),
                sentences=[
                    gettext("What runs stops at its next safe point; what it has finished stays."),
                    *([counted(already, ended)] if ended else []),
                ],
                button=ngettext("Cancel the job", "Cancel the jobs", count),
                action="cancel",
                selected=going,
                name_them=True,
            )
        for job in queryset:
            try:
                service.cancel(job)
            except ContextVisionError as error:
                messages.error(request, str(error))
            else:
                messages.success(
                    request,
                    gettext("%(job)s is being stopped. What it has finished stays.") % {"job": job},
                )
        return None

    @admin.action(description=_("Start the selected jobs again"), permissions=["change"])
    def retry(self, request: HttpRequest, queryset: JobQuerySet) -> HttpResponse | None:
        ended = queryset.finished()
        if CONFIRMED not in request.POST and (count := ended.count()):
            going = queryset.count() - count
            not_yet = ngettext(
                "%(count)s more has not ended yet; it goes on as it is.",
                "%(count)s more have not ended yet; they go on as they are.",
                going,
            )
            return confirmation(
                request,
                self,
                title=counted(
                    ngettext("Start %(count)s job again?", "Start %(count)s jobs again?", count),
                    count,
                ),
                sentences=[
                    ngettext(
                        "A new job with the same parameters is queued for it. The former one stays "
                        "in the list.",
                        "A new job with the same parameters is queued for each. The former ones "
                        "stay in the list.",
                        count,
                    ),
                    *([counted(not_yet, going)] if going else []),
                ],
                button=gettext("Start again"),
                action="retry",
                selected=ended,
                name_them=True,
            )
        for job in queryset:
            try:
                again = service.retry(job, user=person(request))
            except ContextVisionError as error:
                messages.error(request, str(error))
            else:
                messages.success(request, queued(again))
        return None


@admin.register(JobEvent)
class JobEventAdmin(RecordAdmin[JobEvent]):
    """The logs of jobs: they are only read."""

    list_display = ["job", "at", "text"]
    list_select_related = ["job"]
    list_filter = ["at"]
    search_fields = ["text"]
    search_help_text = _("Words of the log.")
    raw_id_fields = ["job"]

    def has_change_permission(self, request: HttpRequest, obj: JobEvent | None = None) -> bool:
        return False


@admin.register(IncomingFile)
class IncomingFileAdmin(RecordAdmin[IncomingFile]):
    """Uploads that are on their way; one that is removed here goes with what has arrived of it."""

    list_display = ["name", "owner", "size", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "owner__username"]
    search_help_text = _("Name of the file or of its sender.")

    def has_change_permission(self, request: HttpRequest, obj: IncomingFile | None = None) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: IncomingFile) -> None:
        incoming.discard(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[IncomingFile]) -> None:
        for file in queryset:
            incoming.discard(file)


@admin.register(Failure)
class FailureAdmin(RecordAdmin[Failure]):
    """The ledger. A row may be removed by hand once it is settled in another way."""

    list_display = ["item", "thumbnail", "stage", "reason", "attempts", "last_seen", "job"]
    list_filter = ["stage", "last_seen"]
    list_select_related = ["job", "image"]
    search_fields = ["item", "reason"]
    actions = ["retry"]

    @admin.display(description=_("Picture"))
    def thumbnail(self, failure: Failure) -> SafeString | str:
        return thumbnail_of(failure.image)

    @admin.action(description=_("Try the selected items again"), permissions=["change"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Failure]) -> HttpResponse | None:
        if CONFIRMED not in request.POST:
            count = queryset.count()
            return confirmation(
                request,
                self,
                title=counted(
                    ngettext("Try %(count)s item again?", "Try %(count)s items again?", count),
                    count,
                ),
                sentences=[
                    gettext(
                        "Pictures are embedded again in one job; records are imported again in one "
                        "job for each import that they come from."
                    ),
                    gettext("What succeeds leaves the list of failures."),
                ],
                button=gettext("Try again"),
                action="retry",
                selected=queryset,
                name_them=True,
            )
        try:
            started = service.retry_failures(queryset, user=person(request))
        except ContextVisionError as error:
            messages.error(request, str(error))
            return None
        for job in started:
            messages.success(request, queued(job))
        return None


@admin.register(WorkerPulse)
class WorkerPulseAdmin(RecordAdmin[WorkerPulse]):
    list_display = ["hostname", "queues", "seen_at"]

    def has_change_permission(self, request: HttpRequest, obj: WorkerPulse | None = None) -> bool:
        return False
