"""The ledger of failures: what could not be taken in or embedded, and why."""

import csv
from collections.abc import Iterator

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST, require_safe

from gallery import audit
from gallery.access import EVERY_IMAGE
from gallery.forms import FailureFilterForm
from gallery.models import Failure, Job
from gallery.services import jobs as service
from gallery.views.access import PersonRequest, permission_required
from mlcore.errors import ContextVisionError

FAILURES_A_PAGE = 50
COLUMNS = ("stage", "item", "reason", "attempts", "job", "picture", "first seen", "last seen")

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet runs a cell that starts with one of these (OWASP, CSV Injection)."""


@require_safe
@permission_required("gallery.view_failure", EVERY_IMAGE)
def failure_list(request: PersonRequest) -> HttpResponse:
    form = FailureFilterForm(request.GET)
    failures = form.apply(Failure.objects.select_related("job", "image"))
    page = Paginator(failures, FAILURES_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "gallery/failures.html", {"form": form, "page": page})


@require_safe
@permission_required("gallery.view_failure", EVERY_IMAGE)
def download(request: PersonRequest) -> StreamingHttpResponse:
    failures = FailureFilterForm(request.GET).apply(Failure.objects.all())
    audit.record("failures_downloaded")
    return StreamingHttpResponse(
        _csv_lines(failures),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="failures.csv"'},
    )


@require_POST
@permission_required("gallery.change_failure")
def retry(request: PersonRequest, pk: int) -> HttpResponse:
    failure = get_object_or_404(Failure.objects.select_related("job"), pk=pk)
    return _retry(request, [failure])


@require_POST
@permission_required("gallery.change_failure")
def retry_all(request: PersonRequest) -> HttpResponse:
    form = FailureFilterForm(request.POST)
    failures = list(form.apply(Failure.objects.select_related("job")))
    traceable = [failure for failure in failures if failure.is_traceable]
    if lost := len(failures) - len(traceable):
        messages.warning(
            request,
            ngettext(
                "%(count)d not tried again, because it is not known any more where it came from. "
                "Import it again by its path, or upload it.",
                "%(count)d not tried again, because it is not known any more where they came "
                "from. Import them again by their path, or upload them.",
                lost,
            )
            % {"count": lost},
        )
    return _retry(request, traceable)


def _retry(request: PersonRequest, failures: list[Failure]) -> HttpResponse:
    started: list[Job] = []
    try:
        started = service.retry_failures(failures, user=request.user)
    except ContextVisionError as error:
        messages.error(request, str(error))
    if len(started) == 1:
        messages.success(request, gettext("Started. What succeeds leaves the list of failures."))
        return redirect("gallery:job", pk=started[0].pk)
    if started:
        messages.success(request, gettext("Started %(count)d jobs.") % {"count": len(started)})
        return redirect("gallery:jobs")
    return redirect("gallery:failures")


class _Echo:
    """Gives back what the csv module writes, so that rows stream one by one."""

    def write(self, line: str) -> str:
        return line


def _csv_lines(failures: QuerySet[Failure]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for failure in failures.iterator(chunk_size=500):
        row = (
            failure.stage,
            failure.item,
            failure.reason,
            failure.attempts,
            failure.job_id or "",
            failure.image_id or "",
            failure.first_seen.isoformat(),
            failure.last_seen.isoformat(),
        )
        yield writer.writerow([_plain_cell(value) for value in row])


def _plain_cell(value: object) -> str:
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
