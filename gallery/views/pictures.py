"""One picture: seeing, describing and removing it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from gallery.forms import ImageForm
from gallery.models import Collection, Image, Tag
from gallery.services import images as service
from gallery.views.access import StaffRequest, staff_required

SUGGESTIONS = 200
"""Names offered while typing a collection or a tag."""


def suggestions() -> dict[str, list[str]]:
    """Known collections and tags, for the lists that open while one types."""
    return {
        "collection_names": list(Collection.objects.values_list("name", flat=True)[:SUGGESTIONS]),
        "tag_names": list(Tag.objects.values_list("name", flat=True)[:SUGGESTIONS]),
    }


@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    images = Image.objects.visible_to(request.user).with_details()
    image = get_object_or_404(images.select_related("uploader"), pk=pk)
    return render(request, "gallery/image.html", {"image": image})


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    image = get_object_or_404(Image.objects.visible_to(request.user).with_details(), pk=pk)
    form = ImageForm(request.POST or None, instance=image)
    if form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect(image)
    context = {"image": image, "form": form, **suggestions()}
    return render(request, "gallery/image_edit.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def delete(request: StaffRequest, pk: int) -> HttpResponse:
    image = get_object_or_404(Image.objects.visible_to(request.user).with_details(), pk=pk)
    if request.method != "POST":
        return render(request, "gallery/image_delete.html", {"image": image})
    name = str(image)
    service.delete_images([image])
    messages.success(request, f"“{name}” was deleted.")
    return redirect("search:home")
