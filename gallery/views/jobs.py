"""Long work: watching, starting, stopping and repeating it."""

from pathlib import Path

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import FileResponse, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from gallery.forms import StartJobForm
from gallery.models import Failure, IndexVersion, Job, WorkerPulse
from gallery.services import jobs as service
from gallery.views.access import StaffRequest, staff_required, wants_fragment
from gallery.views.presenting import JobCard
from gallery.views.sayings import in_the_readers_words
from gallery.views.training import training_card
from mlcore.errors import ContextVisionError

JOBS_A_PAGE = 20
FAILURES_SHOWN = 20


@require_safe
@staff_required
def job_list(request: StaffRequest) -> HttpResponse:
    paginator = Paginator(Job.objects.select_related("created_by"), JOBS_A_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    context: dict[str, object] = {
        "page": page,
        "cards": [JobCard(job) for job in page],
        "under_way": Job.objects.unfinished().exists(),
        "worker_seen": WorkerPulse.objects.alive().exists(),
    }
    if wants_fragment(request):
        return render(request, "gallery/_jobs.html", context)
    context |= {
        "failure_count": Failure.objects.count(),
        "live": IndexVersion.objects.active(),
    }
    return render(request, "gallery/jobs.html", context)


@require_safe
@staff_required
def job_detail(request: StaffRequest, pk: int) -> HttpResponse:
    job = get_object_or_404(Job.objects.select_related("created_by"), pk=pk)
    has_log = "log" in request.GET or not wants_fragment(request)
    context: dict[str, object] = {
        "card": JobCard(job),
        "has_log": has_log,
        "log": [(event.at, in_the_readers_words(event.text)) for event in job.events.all()]
        if has_log
        else [],
    }
    if wants_fragment(request):
        return render(request, "gallery/_job.html", context | {"announce": True})
    failures = Failure.objects.filter(job=job).select_related("image")
    context |= {
        "training": training_card(job),
        "failures": failures[:FAILURES_SHOWN],
        "failure_count": failures.count(),
        "worker_seen": WorkerPulse.objects.alive().exists(),
    }
    return render(request, "gallery/job.html", context)


@require_POST
@staff_required
def start(request: StaffRequest) -> HttpResponse:
    form = StartJobForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose what to start: embedding or the index."))
        return redirect("gallery:jobs")
    return redirect("gallery:job", pk=form.start(request.user).pk)


@require_safe
@staff_required
def download(request: StaffRequest, pk: int) -> HttpResponseBase:
    """Send the file that a job has written, while it is kept."""
    job = get_object_or_404(Job, pk=pk, kind=Job.Kind.EXPORT)
    path = Path(settings.TRANSFER_DIR) / job.result.get("file", "")
    if not path.is_file():
        messages.error(request, _("That file is not kept any more. Export the model again."))
        return redirect("gallery:job", pk=pk)
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name)


@require_POST
@staff_required
def cancel(request: StaffRequest, pk: int) -> HttpResponse:
    job = get_object_or_404(Job, pk=pk)
    try:
        service.cancel(job)
    except ContextVisionError as error:
        messages.error(request, str(error))
    else:
        messages.info(request, f"{job} is being stopped. What it has finished stays.")
    return redirect("gallery:job", pk=pk)


@require_POST
@staff_required
def retry(request: StaffRequest, pk: int) -> HttpResponse:
    job = get_object_or_404(Job, pk=pk)
    try:
        again = service.retry(job, user=request.user)
    except ContextVisionError as error:
        messages.error(request, str(error))
        return redirect("gallery:job", pk=pk)
    messages.success(request, _("Started again as job %(job)d.") % {"job": again.pk})
    return redirect("gallery:job", pk=again.pk)
