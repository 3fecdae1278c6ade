"""Long work: watching, starting, stopping and repeating it."""

from pathlib import Path

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import FileResponse, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from gallery import audit
from gallery.access import require
from gallery.forms import StartJobForm
from gallery.jobs.cards import JobCard
from gallery.models import Failure, IndexVersion, Job, WorkerPulse
from gallery.services import jobs as service
from gallery.views.access import PersonRequest, permission_required, person_required, wants_fragment
from gallery.views.training import training_card
from mlcore.errors import ContextVisionError

JOBS_A_PAGE = 20
FAILURES_SHOWN = 20


@require_safe
@person_required
def job_list(request: PersonRequest) -> HttpResponse:
    paginator = Paginator(
        Job.objects.visible_to(request.user).select_related("created_by"), JOBS_A_PAGE
    )
    page = paginator.get_page(request.GET.get("page"))
    context: dict[str, object] = {
        "page": page,
        "cards": [JobCard(job) for job in page],
        "under_way": Job.objects.visible_to(request.user).unfinished().exists(),
        "worker_seen": WorkerPulse.objects.alive().exists(),
    }
    if wants_fragment(request):
        return render(request, "gallery/_jobs.html", context)
    context |= {
        "failure_count": Failure.objects.count()
        if request.user.has_perm("gallery.view_failure")
        else 0,
        "live": IndexVersion.objects.active(),
    }
    return render(request, "gallery/jobs.html", context)


@require_safe
@person_required
def job_detail(request: PersonRequest, pk: int) -> HttpResponse:
    watched = Job.objects.visible_to(request.user).select_related("created_by")
    job = get_object_or_404(watched, pk=pk)
    has_log = "log" in request.GET or not wants_fragment(request)
    context: dict[str, object] = {
        "card": JobCard(job),
        "has_log": has_log,
        "log": job.events.all() if has_log else [],
    }
    if wants_fragment(request):
        return render(request, "gallery/_job.html", context | {"announce": True})
    failures = Failure.objects.filter(job=job).select_related("image")
    if job.created_by_id != request.user.pk and not request.user.has_perm("gallery.view_failure"):
        failures = failures.none()
    context |= {
        "training": training_card(job),
        "failures": failures[:FAILURES_SHOWN],
        "failure_count": failures.count(),
        "worker_seen": WorkerPulse.objects.alive().exists(),
    }
    return render(request, "gallery/job.html", context)


@require_POST
@person_required
def start(request: PersonRequest) -> HttpResponse:
    form = StartJobForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose what to start: embedding or the index."))
        return redirect("gallery:jobs")
    return redirect("gallery:job", pk=form.start(request.user).pk)


@require_safe
@permission_required("gallery.export_modelversion")
def download(request: PersonRequest, pk: int) -> HttpResponseBase:
    """Send the file that a job has written, while it is kept."""
    job = get_object_or_404(Job, pk=pk, kind=Job.Kind.EXPORT)
    path = Path(settings.TRANSFER_DIR) / job.result.get("file", "")
    if not path.is_file():
        messages.error(request, _("That file is not kept any more. Export the model again."))
        return redirect("gallery:job", pk=pk)
    audit.record("export_downloaded", kind="job", pk=job.pk, file=path.name)
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name)


@require_POST
@person_required
def cancel(request: PersonRequest, pk: int) -> HttpResponse:
    job = _changeable(request.user, pk)
    try:
        service.cancel(job)
    except ContextVisionError as error:
        messages.error(request, str(error))
    else:
        sentence = gettext("%(job)s is being stopped. What it has finished stays.")
        messages.info(request, sentence % {"job": job})
    return redirect("gallery:job", pk=pk)


@require_POST
@person_required
def retry(request: PersonRequest, pk: int) -> HttpResponse:
    job = _changeable(request.user, pk)
    try:
        again = service.retry(job, user=request.user)
    except ContextVisionError as error:
        messages.error(request, str(error))
        return redirect("gallery:job", pk=pk)
    messages.success(request, _("Started again as job %(job)d.") % {"job": again.pk})
    return redirect("gallery:job", pk=again.pk)


def _changeable(user: User, pk: int) -> Job:
    """Fetch a job that this person may stop and repeat.

    Raises:
        Http404: there is none, or it is not for him to watch.
        PermissionDenied: it is somebody else's.
    """
    job = get_object_or_404(Job.objects.visible_to(user), pk=pk)
    if not Job.objects.changeable_by(user).filter(pk=pk).exists():
        require(user, "gallery.change_job")
    return job
