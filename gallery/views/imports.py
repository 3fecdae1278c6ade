"""Importing what lies on the server, and looking at it first."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from gallery.forms import ImportForm
from gallery.forms.fields import read_id
from gallery.models import Job
from gallery.uploads.import_options import IMPORT_OPTIONS
from gallery.views.access import PersonRequest, permission_required
from gallery.views.pictures import suggestions


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gallery.add_image")
def import_page(request: PersonRequest) -> HttpResponse:
    """Ask what to import and how; a look that was taken before fills in what it was told."""
    if request.method == "POST":
        form = ImportForm(request.POST, user=request.user)
        if form.is_valid() and (job := form.start()):
            return redirect("gallery:job", pk=job.pk)
    else:
        form = ImportForm(user=request.user, initial=_initial(request))
    context = {"form": form, **suggestions(request.user)}
    return render(request, "gallery/import.html", context, status=422 if form.errors else 200)


def _initial(request: PersonRequest) -> dict[str, Any]:
    """What an import was told that is named in the address, to be told once more."""
    named = read_id(request.GET.get("again", ""))
    jobs = Job.objects.visible_to(request.user).filter(kind=Job.Kind.IMPORT)
    job = jobs.filter(pk=named).first() if named else None
    return _as_typed(job.params) if job else {}


def _as_typed(params: Mapping[str, Any]) -> dict[str, Any]:
    for_one = [
        f"{name}: {line}"
        for name, lines in params.get("captions_by_name", {}).items()
        for line in lines
    ]
    told = ("source", "collection", "tags", "visibility", *IMPORT_OPTIONS)
    return {
        **{name: params[name] for name in told if name in params},
        "captions": "\n".join([*params.get("captions", ()), *for_one]),
    }
