"""Sources that are followed: what was found in them, and what vanished."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gallery.access import EVERY_IMAGE
from gallery.forms.sources import NewSourceForm, SourceForm
from gallery.jobs.cards import JobCard
from gallery.models import SyncedFile, SyncSource, WorkerPulse
from gallery.services import syncing as service
from gallery.views.access import PersonRequest, permission_required, sent
from gallery.views.pictures import suggestions

VANISHED_A_PAGE = 50


@require_safe
@permission_required("gallery.view_syncsource", EVERY_IMAGE)
def source_list(request: PersonRequest) -> HttpResponse:
    sources = SyncSource.objects.select_related("last_job", "collection").annotate(
        vanished_count=Count("vanished")
    )
    context = {
        "sources": [(source, _card(source)) for source in sources],
        "worker_seen": WorkerPulse.objects.alive().exists(),
    }
    return render(request, "gallery/sources.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gallery.add_syncsource")
def add(request: PersonRequest) -> HttpResponse:
    form = NewSourceForm(sent(request))
    if form.is_bound and form.is_valid():
        source = form.add(request.user)
        service.request_look(source, user=request.user)
        messages.success(request, gettext("“%(name)s” is followed.") % {"name": source})
        return redirect("gallery:source", pk=source.pk)
    context = {"form": form, **suggestions(request.user)}
    return render(request, "gallery/source_edit.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gallery.change_syncsource")
def edit(request: PersonRequest, pk: int) -> HttpResponse:
    source = get_object_or_404(SyncSource, pk=pk)
    form = SourceForm(sent(request), instance=source)
    if form.is_bound and form.is_valid():
        form.save()
        messages.success(request, gettext("“%(name)s” is saved.") % {"name": source})
        return redirect("gallery:source", pk=pk)
    context = {"form": form, "source": source, **suggestions(request.user)}
    return render(request, "gallery/source_edit.html", context, status=422 if form.errors else 200)


@require_safe
@permission_required("gallery.view_syncsource", EVERY_IMAGE)
def detail(request: PersonRequest, pk: int) -> HttpResponse:
    source = get_object_or_404(SyncSource.objects.select_related("last_job", "collection"), pk=pk)
    counts = dict(source.files.order_by().values_list("outcome").annotate(count=Count("pk")))
    vanished = source.vanished.select_related("image")
    context = {
        "source": source,
        "card": _card(source),
        "counts": [
            (label, counts[value]) for value, label in SyncedFile.Outcome.choices if value in counts
        ],
        "page": Paginator(vanished, VANISHED_A_PAGE).get_page(request.GET.get("page")),
        "to_hide": source.vanished.to_hide().count(),
        "worker_seen": WorkerPulse.objects.alive().exists(),
    }
    return render(request, "gallery/source.html", context)


@require_POST
@permission_required("gallery.change_syncsource")
def look(request: PersonRequest, pk: int) -> HttpResponse:
    """Look into it now."""
    job = service.request_look(get_object_or_404(SyncSource, pk=pk), user=request.user)
    return redirect("gallery:job", pk=job.pk)


@require_POST
@permission_required("gallery.change_syncsource")
def hide(request: PersonRequest, pk: int) -> HttpResponse:
    count = service.hide_vanished(get_object_or_404(SyncSource, pk=pk))
    sentence = ngettext(
        "%(count)s picture is hidden now.", "%(count)s pictures are hidden now.", count
    )
    messages.success(request, sentence % {"count": count})
    return redirect("gallery:source", pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gallery.delete_syncsource")
def remove(request: PersonRequest, pk: int) -> HttpResponse:
    """Follow it no more; its pictures stay."""
    source = get_object_or_404(SyncSource, pk=pk)
    if request.method != "POST":
        return render(request, "gallery/source_remove.html", {"source": source})
    source.delete()
    messages.success(request, _("The source is followed no more. Its pictures are still here."))
    return redirect("gallery:sources")


def _card(source: SyncSource) -> JobCard | None:
    return JobCard(source.last_job) if source.last_job else None
