"""One picture: seeing, describing and removing it."""

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from gallery.forms import CollectForm, ImageForm
from gallery.models import Collection, Image, Tag
from gallery.services import images as service
from gallery.views.access import PersonRequest, person_required, wants_fragment
from gallery.views.sources import sources

SUGGESTIONS = 200
"""Names offered while typing a collection or a tag."""


def suggestions() -> dict[str, list[str]]:
    """Known collections and tags, for the lists that open while one types."""
    return {
        "collection_names": collection_names(),
        "tag_names": list(Tag.objects.values_list("name", flat=True)[:SUGGESTIONS]),
    }


def collection_names() -> list[str]:
    return list(Collection.objects.values_list("name", flat=True)[:SUGGESTIONS])


@require_safe
@vary_on_headers("HX-Request")
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    images = Image.objects.visible_to(request.user).with_details()
    image = get_object_or_404(images.select_related("uploader"), pk=pk)
    is_part = wants_fragment(request)
    may_edit = Image.objects.editable_by(request.user).filter(pk=pk).exists()
    context = {"image": image, "sources": sources(image), "is_part": is_part, "may_edit": may_edit}
    if may_edit:
        context["collection_names"] = collection_names()
    # The part with the words stands beside the picture in the gallery, too.
    template = "gallery/_picture_text.html" if is_part else "gallery/image.html"
    return render(request, template, context)


def editable_image(user: User, pk: int) -> Image:
    """Fetch a picture that this person may change.

    Raises:
        Http404: there is none, or this person may not see it.
        PermissionDenied: it is somebody else's.
    """
    image = get_object_or_404(Image.objects.visible_to(user).with_details(), pk=pk)
    if not Image.objects.editable_by(user).filter(pk=pk).exists():
        raise PermissionDenied
    return image


@require_http_methods(["GET", "HEAD", "POST"])
@person_required
def edit(request: PersonRequest, pk: int) -> HttpResponse:
    image = editable_image(request.user, pk)
    form = ImageForm(request.POST or None, instance=image)
    if form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect(image)
    context = {"image": image, "form": form, **suggestions()}
    return render(request, "gallery/image_edit.html", context, status=422 if form.errors else 200)


@require_POST
@person_required
def collect(request: PersonRequest, pk: int) -> HttpResponse:
    """Put a picture into a collection, a new one where there is none of that name."""
    image = editable_image(request.user, pk)
    form = CollectForm(request.POST)
    if form.is_valid():
        service.update_image(image, form.cleaned_data)
        image = editable_image(request.user, pk)
    if wants_fragment(request):
        context = {"image": image, "form": form, "collection_names": collection_names()}
        status = 422 if form.errors else 200
        return render(request, "gallery/_collect.html", context, status=status)
    for error in form.errors.get("collection", ()):
        messages.error(request, str(error))
    if form.is_valid():
        messages.success(request, _("Saved."))
    return redirect(image)


@require_http_methods(["GET", "HEAD", "POST"])
@person_required
def delete(request: PersonRequest, pk: int) -> HttpResponse:
    image = editable_image(request.user, pk)
    if request.method != "POST":
        return render(request, "gallery/image_delete.html", {"image": image})
    name = str(image)
    service.delete_images([image])
    messages.success(request, _("“%(name)s” was deleted.") % {"name": name})
    return redirect("search:home")
