"""One picture: seeing, describing and removing it."""

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from gallery import fulltext
from gallery.access import Person, name_of, require
from gallery.forms import CollectForm, ImageForm
from gallery.models import Collection, Image
from gallery.models.choices import Visibility
from gallery.selectors import known_collections, known_tags
from gallery.services import images as service
from gallery.views.access import PersonRequest, person_required, wants_fragment
from gallery.views.sources import sources
from mlcore.query import MAX_QUERY_CHARS
from mlcore.words import WordQuery

MAX_PHRASES = 12
"""Phrases that are marked."""
SUGGESTIONS = 200
"""Names offered while typing a collection or a tag."""


def suggestions(user: Person) -> dict[str, list[str]]:
    """Known collections and tags, for the lists that open while one types."""
    return {
        "collection_names": collection_names(user),
        "tag_names": list(known_tags(user).values_list("name", flat=True)[:SUGGESTIONS]),
    }


def collection_names(user: Person) -> list[str]:
    return list(known_collections(user).values_list("name", flat=True)[:SUGGESTIONS])


@require_safe
@vary_on_headers("HX-Request")
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    images = Image.objects.visible_to(request.user).with_details()
    image = get_object_or_404(images.select_related("uploader"), pk=pk)
    is_part = wants_fragment(request)
    may_edit = Image.objects.editable_by(request.user).filter(pk=pk).exists()
    may_delete = Image.objects.deletable_by(request.user).filter(pk=pk).exists()
    context = {
        "image": image,
        "sources": sources(image),
        "is_part": is_part,
        "may_edit": may_edit,
        "may_delete": may_delete,
        "marked_words": _asked(request) if is_part else None,
    }
    if may_edit:
        if image.visibility == Visibility.GROUPS:
            context["group_names"] = [name_of(group) for group in image.groups.all()]
        context["collection_names"] = collection_names(request.user)
    # The part with the words stands beside the picture in the gallery, too.
    template = "gallery/_picture_text.html" if is_part else "gallery/image.html"
    return render(request, template, context)


def _asked(request: HttpRequest) -> WordQuery:
    """Read what was searched for, to be marked in the words of a picture."""
    text = request.GET.get("marked", "")[:MAX_QUERY_CHARS]
    phrases = [phrase[:MAX_QUERY_CHARS] for phrase in request.GET.getlist("phrase")[:MAX_PHRASES]]
    return fulltext.ask(text, phrases=phrases).words


def editable_image(user: User, pk: int) -> Image:
    """Fetch a picture that this person may change.

    Raises:
        Http404: there is none, or this person may not see it.
        PermissionDenied: it is somebody else's.
    """
    image = get_object_or_404(Image.objects.visible_to(user).with_details(), pk=pk)
    if not Image.objects.editable_by(user).filter(pk=pk).exists():
        require(user, "gallery.change_image")
    return image


def deletable_image(user: User, pk: int) -> Image:
    """Fetch a picture that this person may delete; raises as ``editable_image`` does."""
    image = get_object_or_404(Image.objects.visible_to(user), pk=pk)
    if not Image.objects.deletable_by(user).filter(pk=pk).exists():
        require(user, "gallery.delete_image")
    return image


@require_http_methods(["GET", "HEAD", "POST"])
@person_required
def edit(request: PersonRequest, pk: int) -> HttpResponse:
    image = editable_image(request.user, pk)
    form = ImageForm(request.POST or None, instance=image, user=request.user)
    if form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect(image)
    context = {"image": image, "form": form, **suggestions(request.user)}
    return render(request, "gallery/image_edit.html", context, status=422 if form.errors else 200)


@require_POST
@person_required
def collect(request: PersonRequest, pk: int) -> HttpResponse:
    """Put a picture into a collection, a new one where there is none of that name."""
    image = editable_image(request.user, pk)
    form = CollectForm(request.POST)
    outcome = ""
    if form.is_valid():
        before = image.collection
        service.update_image(image, form.cleaned_data)
        image = editable_image(request.user, pk)
        outcome = _what_became(before, image.collection)
    if wants_fragment(request):
        context = {
            "image": image,
            "form": form,
            "outcome": outcome,
            "collection_names": collection_names(request.user),
        }
        status = 422 if form.errors else 200
        return render(request, "gallery/_collect.html", context, status=status)
    for error in form.errors.get("collection", ()):
        messages.error(request, str(error))
    if outcome:
        messages.success(request, outcome)
    return redirect(image)


def _what_became(before: Collection | None, now: Collection | None) -> str:
    """Say where a picture is now, and from where it was taken."""
    if before == now or before is None:
        if now is None:
            return _("It is in no collection now.")
        return _("It is in “%(name)s” now.") % {"name": now.name}
    if now is None:
        return _("It was taken out of “%(old)s” and is in no collection now.") % {
            "old": before.name
        }
    names = {"old": before.name, "new": now.name}
    return _("It was moved from “%(old)s” to “%(new)s”.") % names


@require_http_methods(["GET", "HEAD", "POST"])
@person_required
def delete(request: PersonRequest, pk: int) -> HttpResponse:
    image = deletable_image(request.user, pk)
    if request.method != "POST":
        return render(request, "gallery/image_delete.html", {"image": image})
    name = str(image)
    service.delete_images([image])
    messages.success(request, _("“%(name)s” was deleted.") % {"name": name})
    return redirect("search:home")
