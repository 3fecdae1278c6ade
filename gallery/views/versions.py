"""Which model and index are live, which others there are, and going over to one of them."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gallery.jobs.cards import time_to_embed
from gallery.models import Image, IndexVersion, ModelVersion, Promotion
from gallery.selectors import tail_length
from gallery.services import versions as service
from gallery.vectors.registry import follows_rows
from gallery.views.access import PersonRequest, permission_required
from gallery.views.model_cards import evaluations_of_models, model_cards
from mlcore.errors import ContextVisionError

HISTORY_SHOWN = 20


@require_safe
@permission_required("gallery.view_indexversion")
def version_list(request: PersonRequest) -> HttpResponse:
    indexes = list(IndexVersion.objects.select_related("model_version"))
    live = next((index for index in indexes if index.is_active), None)
    models = ModelVersion.objects.select_related("proposal")
    models = models.prefetch_related("index_versions", evaluations_of_models())
    cards = model_cards(models, live)
    history = Promotion.objects.select_related("model_version", "former_model", "created_by")
    previous = service.previous_index()
    left_behind = (
        Image.objects.missing_embeddings(previous.model_version).count() if previous else 0
    )
    context = {
        "indexes": indexes,
        "live": live,
        "live_card": next((card for card in cards if card.model.state == "live"), None),
        "cards": cards,
        "measured_on": next((card.evaluation for card in cards if card.evaluation), None),
        "tail": tail_length(live) if live else 0,
        "searched_beside": live is not None and not follows_rows(live),
        "previous": previous,
        "left_behind": left_behind,
        "time_to_catch_up": time_to_embed(left_behind),
        "history": history[:HISTORY_SHOWN],
    }
    return render(request, "gallery/versions.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gallery.change_indexversion")
def make_active(request: PersonRequest, pk: int) -> HttpResponse:
    version = get_object_or_404(IndexVersion.objects.select_related("model_version"), pk=pk)
    if request.method != "POST":
        context = {"version": version, "live": IndexVersion.objects.active()}
        return render(request, "gallery/version_activate.html", context)
    try:
        service.make_active(version, user=request.user)
    except ContextVisionError as error:
        messages.error(request, _("Nothing was changed. %(error)s") % {"error": error})
    else:
        messages.success(request, _("Index %(index)d is live now.") % {"index": version.pk})
    return redirect("gallery:versions")


@require_POST
@permission_required("gallery.change_indexversion")
def roll_back(request: PersonRequest) -> HttpResponse:
    """Go back to what was live before, at once and without a question."""
    try:
        index = service.rollback(user=request.user)
    except ContextVisionError as error:
        messages.error(request, _("Nothing was changed. %(error)s") % {"error": error})
    else:
        name = index.model_version.name
        messages.success(
            request,
            _("Rolled back: index %(index)d with %(model)s is live now.")
            % {"index": index.pk, "model": name},
        )
    return redirect("gallery:versions")
