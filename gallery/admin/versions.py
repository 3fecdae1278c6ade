"""Models and indexes, and what can be done about which of them is live."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from gallery.admin.base import (
    CONFIRMED,
    ModelAdmin,
    RecordAdmin,
    confirmation,
    counted,
    person,
    queued,
)
from gallery.forms import PromotionForm
from gallery.models import Image, IndexVersion, ModelVersion
from gallery.services import evaluations
from gallery.services import versions as service
from gallery.views.measuring import STATES, VerdictCard
from mlcore.errors import ContextVisionError


def may_rebuild(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("gallery.change_indexversion"))


def ask_for_rebuild(
    request: HttpRequest,
    model_admin: ModelAdmin[Any],
    selected: QuerySet[Any] | None = None,
) -> HttpResponse:
    """Queue a rebuild once it is confirmed."""
    if CONFIRMED not in request.POST:
        return confirmation(
            request,
            model_admin,
            title=gettext("Rebuild the index?"),
            sentences=[
                gettext(
                    "An index of all pictures that are embedded is built beside the live one and "
                    "takes its place when it is complete. Searches go on meanwhile."
                ),
                gettext("The former index is kept, so that you can go back to it."),
            ],
            button=gettext("Rebuild the index"),
            action="rebuild_index" if selected is not None else "",
            selected=selected,
        )
    job = service.request_rebuild(user=person(request))
    messages.success(request, queued(job))
    return redirect(f"admin:gallery_{model_admin.opts.model_name}_changelist")


@admin.action(description=_("Rebuild the index"), permissions=["rebuild"])
def rebuild_index(
    model_admin: ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any]
) -> HttpResponse:
    return ask_for_rebuild(request, model_admin, queryset)


def live_now(index: IndexVersion | None) -> str:
    return gettext("Live now: %(index)s.") % {"index": index or gettext("nothing")}


@admin.register(ModelVersion)
class ModelVersionAdmin(RecordAdmin[ModelVersion]):
    list_display = [
        "name", "state", "gate", "parent", "fingerprint_start", "vectors", "created_at", "look",
    ]  # fmt: skip
    list_filter = ["origin", "created_at"]
    list_select_related = ["parent"]
    search_fields = ["name", "reference", "fingerprint"]
    actions = ["evaluate", "fine_tune", "promote"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        models = super().get_queryset(request).prefetch_related("index_versions")
        return models.annotate(vector_count=Count("embeddings"))

    @admin.display(description=_("Fingerprint"))
    def fingerprint_start(self, version: ModelVersion) -> str:
        return version.fingerprint[:8]

    @admin.display(description=_("State"))
    def state(self, version: ModelVersion) -> str:
        return str(STATES[version.state])

    @admin.display(description=_("Gate"))
    def gate(self, version: ModelVersion) -> str:
        return VerdictCard(version.verdict).last_words

    @admin.display(description=_("Own vectors"))
    def vectors(self, version: Any) -> int:
        return int(version.vector_count)

    @admin.display(description=_("Page"))
    def look(self, version: ModelVersion) -> SafeString:
        address = reverse("gallery:model", args=[version.pk])
        return format_html('<a href="{}">{}</a>', address, gettext("Figures"))

    def has_delete_permission(self, request: HttpRequest, obj: ModelVersion | None = None) -> bool:
        return False  # all vectors would go with it

    @admin.action(description=_("Evaluate on the held-out pictures"), permissions=["change"])
    def evaluate(
        self, request: HttpRequest, queryset: QuerySet[ModelVersion]
    ) -> HttpResponse | None:
        if CONFIRMED not in request.POST:
            count = queryset.count()
            return confirmation(
                request,
                self,
                title=counted(
                    ngettext("Evaluate %(count)s model?", "Evaluate %(count)s models?", count),
                    count,
                ),
                sentences=[
                    gettext(
                        "Each is asked for the held-out pictures by their captions, in a job of "
                        "its own; one runs at a time."
                    ),
                    gettext("What is live stays live."),
                ],
                button=gettext("Evaluate"),
                action="evaluate",
                selected=queryset,
                name_them=True,
            )
        for model in queryset:
            try:
                job = evaluations.request_evaluation(model, user=person(request))
            except ContextVisionError as error:
                messages.error(request, str(error))
            else:
                messages.success(request, queued(job))
        return None

    @admin.action(description=_("Fine-tune from this"), permissions=["change"])
    def fine_tune(
        self, request: HttpRequest, queryset: QuerySet[ModelVersion]
    ) -> HttpResponse | None:
        model = self._only(request, queryset)
        if model is None:
            return None
        return redirect(f"{reverse('gallery:fine-tune')}?base={model.pk}")

    @admin.action(description=_("Promote"), permissions=["change"])
    def promote(
        self, request: HttpRequest, queryset: QuerySet[ModelVersion]
    ) -> HttpResponse | None:
        model = self._only(request, queryset)
        if model is None:
            return None
        live = IndexVersion.objects.active()
        fingerprint = live.model_version.fingerprint if live else ""
        verdict = VerdictCard(model.verdict, fingerprint)
        sent = request.POST if CONFIRMED in request.POST else None
        form = PromotionForm(sent, needs_reason=verdict.stands_in_the_way)
        if form.is_valid() and (job := form.start(model, person(request))):
            messages.success(request, queued(job))
            return None
        missing = Image.objects.missing_embeddings(model).count()
        return confirmation(
            request,
            self,
            title=gettext("Promote %(model)s?") % {"model": model.name},
            sentences=[
                live_now(live),
                " ".join(
                    [
                        gettext("The gate: %(verdict)s.") % {"verdict": verdict.last_words},
                        *(line.sentence for line in verdict.lines),
                    ]
                ),
                gettext("Pictures to embed with it first: %(count)s. Searches go on all the while.")
                % {"count": intcomma(missing)},
                gettext(
                    "Every query set is asked, and one that gets worse by more than its tolerance "
                    "stops the promotion."
                ),
            ],
            button=gettext("Promote it"),
            action="promote",
            selected=queryset,
            form=form,
        )

    def _only(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> ModelVersion | None:
        chosen = list(queryset)
        if len(chosen) == 1:
            return chosen[0]
        messages.error(request, _("Choose one model."))
        return None


@admin.register(IndexVersion)
class IndexVersionAdmin(RecordAdmin[IndexVersion]):
    list_display = ["id", "live", "count", "model_version", "created_at", "activated_at"]
    list_select_related = ["model_version"]
    list_filter = ["is_active", "model_version"]
    actions = ["make_active", rebuild_index]
    change_list_template = "admin/gallery/indexversion/change_list.html"

    @admin.display(description=_("Live"), boolean=True, ordering="is_active")
    def live(self, version: IndexVersion) -> bool:
        return version.is_active

    def has_delete_permission(self, request: HttpRequest, obj: IndexVersion | None = None) -> bool:
        return False  # rebuilding removes the oldest, with their files

    def has_rebuild_permission(self, request: HttpRequest) -> bool:
        return may_rebuild(request)

    def get_urls(self) -> list[URLPattern]:
        rebuild = path(
            "rebuild/",
            self.admin_site.admin_view(self.rebuild_view),
            name="gallery_indexversion_rebuild",
        )
        return [rebuild, *super().get_urls()]

    def rebuild_view(self, request: HttpRequest) -> HttpResponse:
        if not may_rebuild(request):
            raise PermissionDenied
        return ask_for_rebuild(request, self)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_rebuild": may_rebuild(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    @admin.action(description=_("Make active"), permissions=["change"])
    def make_active(
        self, request: HttpRequest, queryset: QuerySet[IndexVersion]
    ) -> HttpResponse | None:
        chosen = list(queryset)
        if len(chosen) != 1:
            messages.error(request, _("Choose one index: only one can be live."))
            return None
        [version] = chosen
        if version.is_active:
            messages.info(
                request, gettext("Index %(index)d is live already.") % {"index": version.pk}
            )
            return None
        if CONFIRMED not in request.POST:
            live = IndexVersion.objects.active()
            return confirmation(
                request,
                self,
                title=gettext("Make index %(index)d live?") % {"index": version.pk},
                sentences=[
                    live_now(live),
                    gettext("Live then: %(index)s.") % {"index": version},
                    gettext(
                        "Its files are checked and its model is loaded first; nothing changes if "
                        "either cannot be used."
                    ),
                ],
                button=gettext("Make it live"),
                action="make_active",
                selected=queryset,
            )
        try:
            service.make_active(version, user=person(request))
        except ContextVisionError as error:
            messages.error(request, gettext("Nothing was changed. %(error)s") % {"error": error})
        else:
            messages.success(
                request, gettext("Index %(index)d is live now.") % {"index": version.pk}
            )
        return None


__all__ = ["IndexVersionAdmin", "ModelAdmin", "ModelVersionAdmin", "may_rebuild", "rebuild_index"]
