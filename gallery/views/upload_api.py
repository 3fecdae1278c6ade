"""What the script of the upload page asks: which files are here, and one file after another."""

import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from gallery.forms import UploadForm
from gallery.forms.fields import read_ids
from gallery.jobs.cards import JobCard
from gallery.models import Caption, Image, ResumableUpload
from gallery.services import images as service
from gallery.services.imports import source_of, start_import
from gallery.uploads import resumable
from gallery.uploads.descriptions import add_captions
from gallery.uploads.items import IngestResult
from gallery.views.access import PersonRequest, permission_required
from mlcore.i18n import Message
from mlcore.layouts import is_archive

HASHES_AT_ONCE = 100
"""Files that one request asks about."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@require_POST
@permission_required("gallery.add_image")
def known(request: PersonRequest) -> JsonResponse:
    """Tell which of these files are here already, before their bytes are sent.

    Takes ``sha256`` repeatedly. Of a picture that the person may not see, only that it is here.
    """
    asked = filter(_SHA256.fullmatch, request.POST.getlist("sha256")[:HASHES_AT_ONCE])
    here = Image.objects.filter(sha256__in=asked)
    seen = set(here.visible_to(request.user).values_list("pk", flat=True))
    found = {image.sha256: _addresses(image) if image.pk in seen else {} for image in here}
    return JsonResponse({"known": found})


@require_POST
@permission_required("gallery.add_image")
def send(request: PersonRequest) -> JsonResponse:
    """Take in one file, and tell what became of it.

    It comes with the request (``pictures``), was ``received`` in parts before, or is ``known``: by
    the SHA-256 of one that is here, which gets the captions and tags without its bytes being sent.
    An archive becomes a job.
    """
    if sha256 := request.POST.get("known"):
        image = get_object_or_404(Image, sha256=_hash(sha256))
        name = request.POST.get("name", "")
        return _answer(request, UploadedFile(name=name, size=0), partial(_meet, image))
    if pk := request.POST.get("received"):
        upload = get_object_or_404(ResumableUpload, pk=_uuid(pk), owner=request.user)
        return _take_received(request, upload)
    return _answer(request, request.FILES.get("pictures"), _take)


@require_POST
@permission_required("gallery.add_image")
def finish(request: PersonRequest) -> HttpResponse:
    """Embed what was sent one by one, in one job; where nobody asks, maintenance does it later."""
    sent = read_ids(request.POST.getlist("image"))
    ids = Image.objects.filter(pk__in=sent, uploader=request.user).values_list("pk", flat=True)
    if not ids:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    job = service.embed_images(list(ids), user=request.user)
    return render(request, "gallery/_job.html", {"card": JobCard(job), "announce": False})


Handle = Callable[[UploadForm, User], dict[str, Any]]


def _answer(
    request: PersonRequest, file: "UploadedFile[bytes] | None", handle: Handle
) -> JsonResponse:
    files = MultiValueDict({"pictures": [file]} if file else {})
    form = UploadForm(request.POST, files, user=request.user)
    if not form.is_valid():
        reasons = [
            f"{form.fields[name].label}: {error}"
            for name, errors in form.errors.items()
            for error in errors
        ]
        return JsonResponse({"errors": reasons}, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return JsonResponse(handle(form, request.user))


def _captions(form: UploadForm) -> list[str]:
    [file] = form.cleaned_data["pictures"]
    captions = form.cleaned_data["captions"]
    return [*captions.by_name.get(file.name, ()), *captions.for_all]


def _take(form: UploadForm, user: User) -> dict[str, Any]:
    [file] = form.cleaned_data["pictures"]
    if form.options().get("dry_run"):
        return {"state": "refused", "reason": _("Only a zip or tar can be looked at first.")}
    [result] = service.ingest_files([file], form.destination(user), captions=_captions(form))
    return _result(result, user)


def _meet(image: Image, form: UploadForm, user: User) -> dict[str, Any]:
    if Image.objects.editable_by(user).filter(pk=image.pk).exists():
        destination = form.destination(user)
        add_captions(image, _captions(form), Caption.Source.PERSON)
        image.tags.add(*destination.tags)
    return {"state": "known", **_shown(image, user)}


def _import(upload: ResumableUpload, form: UploadForm, user: User) -> dict[str, Any]:
    captions = form.cleaned_data["captions"]
    job = start_import(
        source_of(upload),
        form.destination(user),
        form.options(),
        captions=captions.for_all,
        captions_by_name=captions.by_name,
    )
    return {"state": "importing", "url": reverse("gallery:job", args=[job.pk])}


def _result(result: IngestResult, user: User) -> dict[str, Any]:
    if result.image is None:
        return {"state": "refused", "reason": str(result.error)}
    state = "new" if result.created else "known"
    return {"state": state, "image": result.image.pk, **_shown(result.image, user)}


def _shown(image: Image, user: User) -> dict[str, Any]:
    """Where a picture is seen; nothing where this person may not see it."""
    is_seen = Image.objects.visible_to(user).filter(pk=image.pk).exists()
    return _addresses(image) if is_seen else {}


def _addresses(image: Image) -> dict[str, Any]:
    return {"url": image.get_absolute_url(), "thumbnail": image.thumbnail_url}


def _take_received(request: PersonRequest, upload: ResumableUpload) -> JsonResponse:
    if not upload.path.is_file() or not upload.is_complete:
        raise Http404
    file: UploadedFile[bytes]
    if is_archive(upload.path):
        file = UploadedFile(name=upload.name, size=upload.size)
        return _answer(request, file, partial(_import, upload))
    with upload.path.open("rb") as stream:
        file = UploadedFile(stream, name=upload.name, size=upload.size)
        response = _answer(request, file, _take)
    if response.status_code == HTTPStatus.OK:
        resumable.discard(upload)
    return response


def _hash(text: str) -> str:
    if not _SHA256.fullmatch(text):
        raise Http404
    return text


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Http404 from error


def words() -> dict[str, str]:
    """What the script of the page says."""
    return {
        "chosen": _("{count} chosen, {size}"),
        "checking": _("Checking"),
        "ready": _("Ready"),
        "waiting": _("Waiting"),
        "sending": _("Sending"),
        "taking": _("Taking in"),
        "paused": _("Paused"),
        "failed": _("Not sent"),
        "new": _("New"),
        "known": _("Already there"),
        "refused": _("Refused"),
        "importing": _("Being imported"),
        "notPicture": _("This is neither a picture nor a zip or tar. Accepted are {accepted}."),
        "tooLarge": _("This file holds {size}; at most {limit} are accepted."),
        "empty": _("This file is empty."),
        "tooMany": _("More than {limit} files at once. Send these first, or all of them as a zip."),
        "twice": _("The same picture as {name}."),
        "knownBefore": _("Its bytes are not sent again; captions and tags are added to it."),
        "offline": _("The connection broke. What has arrived is kept; try again."),
        "signedOut": _("The server answered with a page to sign in. Reload this page first."),
        "tooOften": _("Too much was sent at once. Wait {seconds} seconds, then try again."),
        "noRoom": str(Message("disk.full")),
        "serverFault": _("The server answered with an error ({status}). Try again."),
        "watchImport": _("Watch the import"),
        "remove": _("Remove"),
        "pause": _("Pause"),
        "resume": _("Resume"),
        "retry": _("Try again"),
        "counted": _("{count} {state}"),
        "summaryNew": _("{count} new"),
        "summaryKnown": _("{count} already there"),
        "summaryRefused": _("{count} refused"),
        "summaryImporting": _("{count} being imported"),
        "summaryFailed": _("{count} not sent"),
        "summaryReady": _("{count} ready to send"),
        "progress": _("{done} of {total} sent"),
        "nothing": _("Choose pictures or a zip first."),
    }
