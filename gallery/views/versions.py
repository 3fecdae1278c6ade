"""Which index and model are live, which others are kept, and going over to one of them."""

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from gallery.models import IndexVersion, ModelVersion
from gallery.selectors import tail_length
from gallery.services import versions as service
from gallery.views.access import StaffRequest, staff_required
from mlcore.errors import ContextVisionError


@require_safe
@staff_required
def version_list(request: StaffRequest) -> HttpResponse:
    indexes = list(IndexVersion.objects.select_related("model_version"))
    live = next((index for index in indexes if index.is_active), None)
    context = {
        "indexes": indexes,
        "live": live,
        "tail": tail_length(live) if live else 0,
        "models": ModelVersion.objects.annotate(vector_count=Count("embeddings")),
    }
    return render(request, "gallery/versions.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def make_active(request: StaffRequest, pk: int) -> HttpResponse:
    version = get_object_or_404(IndexVersion.objects.select_related("model_version"), pk=pk)
    if request.method != "POST":
        context = {"version": version, "live": IndexVersion.objects.active()}
        return render(request, "gallery/version_activate.html", context)
    try:
        service.make_active(version)
    except ContextVisionError as error:
        messages.error(request, f"Nothing was changed. {error}")
    else:
        messages.success(request, f"Index {version.pk} is live now.")
    return redirect("gallery:versions")
