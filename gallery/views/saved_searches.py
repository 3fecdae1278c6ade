"""The searches that somebody keeps: listed, added, renamed and deleted."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from gallery.forms.saved_searches import NameForm, SavedSearchForm
from gallery.views.access import PersonRequest, person_required


@require_http_methods(["GET", "HEAD", "POST"])
@person_required
def saved(request: PersonRequest) -> HttpResponse:
    """List what this person has saved; a POST saves one more and goes back to it."""
    if request.method != "POST":
        return _list(request)
    form = SavedSearchForm(request.POST, owner=request.user)
    if not form.is_valid():
        return _list(request, form)
    search = form.save()
    messages.success(request, _("Saved as “%(name)s”.") % {"name": search.name})
    return redirect(search)


@require_POST
@person_required
def rename(request: PersonRequest, pk: int) -> HttpResponse:
    search = get_object_or_404(request.user.saved_searches, pk=pk)
    form = NameForm(request.POST, instance=search, owner=request.user)
    if form.is_valid():
        form.save()
        messages.success(request, _("Now called “%(name)s”.") % {"name": search.name})
    else:
        messages.error(request, " ".join(str(error) for error in form.errors.get("name", [])))
    return redirect("gallery:saved-searches")


@require_POST
@person_required
def delete(request: PersonRequest, pk: int) -> HttpResponse:
    search = get_object_or_404(request.user.saved_searches, pk=pk)
    search.delete()
    messages.success(request, _("“%(name)s” is deleted.") % {"name": search.name})
    return redirect("gallery:saved-searches")


def _list(request: PersonRequest, form: SavedSearchForm | None = None) -> HttpResponse:
    context = {"searches": request.user.saved_searches.all(), "form": form}
    status = 422 if form else 200
    return render(request, "gallery/saved_searches.html", context, status=status)
