"""Taking in many pictures at once, with a form that needs no script."""

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from gallery.forms import UploadForm
from gallery.jobs.cards import JobCard
from gallery.models import Image
from gallery.services import images as service
from gallery.uploads.ingest import upload_limits
from gallery.views.access import PersonRequest, permission_required, sent_with_files
from gallery.views.pictures import suggestions
from gallery.views.upload_api import words
from mlcore.imaging.formats import ACCEPTED


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gallery.add_image")
def upload(request: PersonRequest) -> HttpResponse:
    form = UploadForm(*sent_with_files(request), user=request.user)
    context = {
        "form": form,
        "words": words(),
        **upload_context(form, request.user),
        **limits(),
        **suggestions(request.user),
    }
    status = 422 if form.errors else 200
    return render(request, "gallery/upload.html", context, status=status)


def upload_context(form: UploadForm, user: User) -> dict[str, object]:
    """Take in what the form holds, if it is valid, and tell what became of each file."""
    if not form.is_bound or not form.is_valid():
        return {}
    results, job = service.add_uploads(
        form.cleaned_data["pictures"],
        form.destination(user),
        captions=form.cleaned_data["captions"].for_all,
        captions_by_name=form.cleaned_data["captions"].by_name,
    )
    ids = [item.image.pk for item in results if item.image]
    return {
        "results": results,
        "seen": set(Image.objects.visible_to(user).filter(pk__in=ids).values_list("pk", flat=True)),
        "added": sum(item.created for item in results),
        "known": sum(item.image is not None and not item.created for item in results),
        "refused": sum(item.image is None for item in results),
        "card": JobCard(job) if job else None,
    }


def limits() -> dict[str, object]:
    """What the page says about files before they are chosen."""
    limit = upload_limits()
    return {
        "accepted": ACCEPTED,
        "max_megabytes": limit.max_bytes // settings.MEGABYTE,
        "max_bytes": limit.max_bytes,
        "max_megapixels": limit.max_pixels // 1_000_000,
        "min_side": limit.min_side,
        "max_aspect": limit.max_aspect,
        "max_archive_bytes": settings.CONTEXTVISION_UPLOAD_MAX_ARCHIVE_BYTES,
        "max_files": settings.DATA_UPLOAD_MAX_NUMBER_FILES,
    }
