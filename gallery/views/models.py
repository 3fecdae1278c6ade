"""One model: what it was made from, how good it is, and what can be done with it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gallery.forms import EvaluationForm, PromotionForm
from gallery.jobs.cards import spell_values, time_to_embed, time_to_index
from gallery.models import Image, IndexVersion, ModelVersion, Proposal, SavedQuerySet
from gallery.services import versions
from gallery.services.evaluations import training_curve
from gallery.views.access import PersonRequest, permission_required, sent
from gallery.views.model_cards import ModelCard, evaluations_of_models, model_cards
from gallery.views.training import measured_points
from mlcore.errors import ContextVisionError
from mlcore.reporting.plots import composition_plot, training_plots


@require_safe
@permission_required("gallery.view_modelversion")
def detail(request: PersonRequest, pk: int) -> HttpResponse:
    card = _card(pk)
    model = card.model
    evaluations = list(model.evaluations.all())
    composed = next((found for found in evaluations if found.composition), None)
    points = _points(model)
    context = {
        "card": card,
        "recipe": spell_values(model.recipe),
        "data": spell_values(model.data),
        "evaluations": evaluations,
        "curves": training_plots(points) if points else [],
        "composition": composition_plot(composed.composition) if composed else "",
        "children": model.children.all(),
        "proposal": Proposal.objects.filter(model_version=model)
        .select_related("created_by")
        .first(),
        "promotions": model.promotions.select_related("created_by", "former_model"),
        "vector_count": model.vectors_version.embeddings.count(),
        "picture_count": Image.objects.count(),
        "may_be_deleted": not versions.why_kept(model),
    }
    return render(request, "gallery/model.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gallery.add_promotion")
def promote(request: PersonRequest, pk: int) -> HttpResponse:
    card = _card(pk)
    form = PromotionForm(sent(request), needs_reason=card.verdict.stands_in_the_way)
    if form.is_valid() and (job := form.start(card.model, request.user)):
        return redirect("gallery:job", pk=job.pk)
    missing = Image.objects.missing_embeddings(card.model).count()
    context = {
        "card": card,
        "form": form,
        "live": IndexVersion.objects.active(),
        "missing": missing,
        "shares_vectors": card.model.vectors_from_id is not None,
        "time_to_embed": time_to_embed(missing),
        "time_to_index": time_to_index(Image.objects.count()),
        "query_sets": SavedQuerySet.objects.all(),
    }
    status = 422 if form.errors else 200
    return render(request, "gallery/model_promote.html", context, status=status)


@require_POST
@permission_required("gallery.add_proposal")
def propose(request: PersonRequest, pk: int) -> HttpResponse:
    """Tell those who may promote that this model should go live, or after all not."""
    model = get_object_or_404(ModelVersion, pk=pk)
    try:
        if "withdraw" in request.POST:
            versions.withdraw_proposal(model, user=request.user)
        else:
            versions.propose(model, user=request.user)
    except ContextVisionError as error:
        messages.error(request, str(error))
    return redirect("gallery:model", pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gallery.add_evaluation")
def evaluate(request: PersonRequest, pk: int) -> HttpResponse:
    model = get_object_or_404(ModelVersion, pk=pk)
    form = EvaluationForm(sent(request))
    if form.is_valid() and (job := form.start(model, request.user)):
        return redirect("gallery:job", pk=job.pk)
    context = {"model": model, "form": form}
    status = 422 if form.errors else 200
    return render(request, "gallery/model_evaluate.html", context, status=status)


@require_POST
@permission_required("gallery.export_modelversion")
def export(request: PersonRequest, pk: int) -> HttpResponse:
    """Have the model with its index and the query sets written into one file."""
    model = get_object_or_404(ModelVersion, pk=pk)
    return redirect("gallery:job", pk=versions.request_export(model, user=request.user).pk)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gallery.delete_modelversion")
def delete(request: PersonRequest, pk: int) -> HttpResponse:
    """Ask, and delete a candidate that nothing needs."""
    model = get_object_or_404(ModelVersion, pk=pk)
    if request.method == "POST":
        try:
            versions.delete_model(model)
        except ContextVisionError as error:
            messages.error(request, str(error))
            return redirect("gallery:model", pk=pk)
        messages.success(request, _("%(name)s was deleted.") % {"name": model.name})
        return redirect("gallery:versions")
    context = {
        "model": model,
        "why_kept": versions.why_kept(model),
        "vectors": model.embeddings.count(),
        "evaluations": model.evaluations.count(),
    }
    return render(request, "gallery/model_delete.html", context)


def _card(pk: int) -> ModelCard:
    """The model beside the live one, on what both were asked."""
    get_object_or_404(ModelVersion, pk=pk)
    live = IndexVersion.objects.active()
    both = {pk, live.model_version_id} if live else {pk}
    models = ModelVersion.objects.filter(pk__in=both).select_related("parent", "job")
    cards = model_cards(models.prefetch_related("index_versions", evaluations_of_models()), live)
    return next(card for card in cards if card.model.pk == pk)


def _points(model: ModelVersion) -> list[dict[str, object]]:
    """The run that made it: every step while its job is kept, else its epochs."""
    points = measured_points(model.job) if model.job else []
    return points or training_curve(model)
