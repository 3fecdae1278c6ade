"""Many pictures looked after at once: described, sorted, shared and deleted."""

from collections.abc import Collection

from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from gallery.forms import BulkForm, CaptionsForm, ChosenForm, ManagedFilterForm
from gallery.models import Image
from gallery.services import bulk
from gallery.services.images import delete_images
from gallery.views.access import PersonRequest, person_required, wants_fragment
from gallery.views.pictures import editable_image, suggestions

PICTURES_A_PAGE = 48
SHOWN_BEFORE_DELETION = 12


@require_http_methods(["GET", "HEAD", "POST"])
@person_required
def manage(request: PersonRequest) -> HttpResponse:
    """List what this person may change; a POST does something to the chosen ones."""
    choice = ManagedFilterForm(request.GET, user=request.user, auto_id="filter_%s")
    shown = choice.apply(Image.objects.editable_by(request.user).with_details())
    if request.method != "POST":
        return _list(request, choice, shown, BulkForm(user=request.user))
    deletes = request.POST.get("do") == "delete"
    if deletes:
        shown = choice.apply(Image.objects.deletable_by(request.user))
    try:
        ids = ChosenForm(request.POST).images(shown)
    except ValidationError as error:
        messages.error(request, _("Nothing was changed.") + " " + " ".join(error.messages))
        return redirect(request.get_full_path())
    if deletes:
        return _delete(request, ids)
    form = BulkForm(request.POST, user=request.user)
    if not form.is_valid():
        return _list(request, choice, shown, form, set(ids))
    changed = bulk.change_images(ids, form.change())
    messages.success(request, " ".join(account(changed)))
    return redirect(request.get_full_path())


@require_POST
@person_required
def captions(request: PersonRequest, pk: int) -> HttpResponse:
    """Replace a picture's captions by those of its fields in the list."""
    image = editable_image(request.user, pk)
    form = CaptionsForm(request.POST)
    if form.is_valid():
        form.save(image)
    reasons = [str(error) for error in form.non_field_errors()]
    if wants_fragment(request):
        context = {"reasons": reasons}
        status = 422 if reasons else 200
        return render(request, "gallery/_captions_news.html", context, status=status)
    if reasons:
        messages.error(request, _("Nothing was changed.") + " " + " ".join(reasons))
    else:
        messages.success(request, _("The captions of “%(name)s” were saved.") % {"name": image})
    back = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure())
    return redirect(back if ours else reverse("gallery:manage"))


def _list(
    request: PersonRequest,
    choice: ManagedFilterForm,
    shown: QuerySet[Image],
    form: BulkForm,
    chosen: Collection[int] = (),
) -> HttpResponse:
    page = Paginator(shown, PICTURES_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "choice": choice,
        "page": page,
        "form": form,
        "chosen": chosen,
        "everything": bool(chosen) and "everything" in request.POST,
        **suggestions(request.user),
    }
    return render(request, "gallery/manage.html", context, status=422 if form.errors else 200)


def _delete(request: PersonRequest, ids: list[int]) -> HttpResponse:
    """Ask first; and ask again where other pictures are meant by now than were asked about."""
    if request.POST.get("confirmed") != str(len(ids)):
        context = {
            "count": len(ids),
            "examples": Image.objects.filter(pk__in=ids[:SHOWN_BEFORE_DELETION]).with_details(),
            "ticked": request.POST.getlist("image"),
            "everything": "everything" in request.POST,
            "back": request.get_full_path(),
        }
        return render(request, "gallery/manage_delete.html", context)
    count = delete_images(Image.objects.filter(pk__in=ids))
    sentence = ngettext("%(count)s picture was deleted.", "%(count)s pictures were deleted.", count)
    messages.success(request, sentence % {"count": intcomma(count)})
    return redirect(request.get_full_path())


def account(changed: bulk.Changed) -> list[str]:
    """Say what a change did, one sentence for each thing that was asked for."""
    sentences = [_("Of %(count)s:") % {"count": _pictures(changed.pictures)}]
    parts = [
        _("tag “%(tag)s” added to %(count)s") % {"tag": tag, "count": intcomma(count)}
        for tag, count in changed.tags_added.items()
    ]
    parts += [
        _("tag “%(tag)s” removed from %(count)s") % {"tag": tag, "count": intcomma(count)}
        for tag, count in changed.tags_removed.items()
    ]
    if changed.moved:
        parts.append(_("collection changed for %(count)s") % {"count": intcomma(changed.moved)})
    if changed.shown_or_hidden:
        count = intcomma(changed.shown_or_hidden)
        parts.append(_("who can see them changed for %(count)s") % {"count": count})
    if not parts:
        parts.append(_("all were so already"))
    return [*sentences, ", ".join(parts) + "."]


def _pictures(count: int) -> str:
    return ngettext("%(count)s picture", "%(count)s pictures", count) % {"count": intcomma(count)}
