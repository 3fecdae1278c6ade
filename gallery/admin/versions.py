"""Models and indexes, and what can be done about which of them is live."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.admin.base import (
    CONFIRMED,
    ModelAdmin,
    RecordAdmin,
    confirmation,
    link,
    person,
    queued,
)
from gallery.models import IndexVersion, ModelVersion
from gallery.services import versions as service
from gallery.views.model_cards import STATES, VerdictCard
from mlcore.errors import ContextVisionError


def may_change_index(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("gallery.change_indexversion"))


def may_rebuild_index(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("gallery.add_indexversion"))


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


@admin.register(ModelVersion)
class ModelVersionAdmin(RecordAdmin[ModelVersion]):
    list_display = [
        "name", "state", "gate", "parent", "fingerprint_start", "vectors", "created_at", "page",
    ]  # fmt: skip
    list_filter = ["origin", "created_at"]
    list_select_related = ["parent"]
    search_fields = ["name", "reference", "fingerprint"]

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
    def page(self, version: ModelVersion) -> SafeString:
        address = reverse("gallery:model", args=[version.pk])
        return link(address, gettext("Evaluate, fine-tune, promote"))

    def has_delete_permission(self, request: HttpRequest, obj: ModelVersion | None = None) -> bool:
        return False  # all vectors would go with it


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

    def has_index_permission(self, request: HttpRequest) -> bool:
        return may_change_index(request)

    def has_rebuild_permission(self, request: HttpRequest) -> bool:
        return may_rebuild_index(request)

    def get_urls(self) -> list[URLPattern]:
        rebuild = path(
            "rebuild/",
            self.admin_site.admin_view(self.rebuild_view),
            name="gallery_indexversion_rebuild",
        )
        return [rebuild, *super().get_urls()]

    def rebuild_view(self, request: HttpRequest) -> HttpResponse:
        if not may_rebuild_index(request):
            raise PermissionDenied
        return ask_for_rebuild(request, self)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_rebuild_index": may_rebuild_index(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    @admin.action(description=_("Make active"), permissions=["index"])
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
                    gettext("Live now: %(index)s.") % {"index": live or gettext("nothing")},
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
