"""Models and indexes, and what can be done about which of them is live."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html

from gallery.admin.base import ModelAdmin, RecordAdmin, job_link, person
from gallery.models import IndexVersion, ModelVersion
from gallery.services import versions as service
from mlcore.errors import ContextVisionError

CONFIRMED = "confirmed"


def may_rebuild(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("gallery.change_indexversion"))


def confirmation(
    request: HttpRequest,
    model_admin: ModelAdmin[Any],
    *,
    title: str,
    sentences: list[str],
    button: str,
    action: str = "",
    selected: QuerySet[Any] | None = None,
) -> TemplateResponse:
    """Ask before something that is live changes."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "sentences": sentences,
        "button": button,
        "action": action,
        "selected": [] if selected is None else selected.values_list("pk", flat=True),
        "confirmed_name": CONFIRMED,
        "checkbox_name": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/gallery/confirm.html", context)


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
            title="Rebuild the index?",
            sentences=[
                "An index of all pictures that are embedded is built beside the live one and takes "
                "its place when it is complete. Searches go on meanwhile.",
                "The former index is kept, so that you can go back to it.",
            ],
            button="Rebuild the index",
            action="rebuild_index" if selected is not None else "",
            selected=selected,
        )
    job = service.request_rebuild(user=person(request))
    messages.success(request, format_html("Queued: {}.", job_link(job)))
    return redirect(f"admin:gallery_{model_admin.opts.model_name}_changelist")


@admin.action(description="Rebuild the index", permissions=["rebuild"])
def rebuild_index(
    model_admin: ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any]
) -> HttpResponse:
    return ask_for_rebuild(request, model_admin, queryset)


@admin.register(ModelVersion)
class ModelVersionAdmin(RecordAdmin[ModelVersion]):
    list_display = ["name", "fingerprint_start", "dim", "image_size", "vectors", "created_at"]
    search_fields = ["name", "reference", "fingerprint"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        return super().get_queryset(request).annotate(vector_count=Count("embeddings"))

    @admin.display(description="Fingerprint")
    def fingerprint_start(self, version: ModelVersion) -> str:
        return version.fingerprint[:8]

    @admin.display(description="Vectors")
    def vectors(self, version: Any) -> int:
        return int(version.vector_count)

    def has_change_permission(self, request: HttpRequest, obj: ModelVersion | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ModelVersion | None = None) -> bool:
        return False  # all vectors would go with it


@admin.register(IndexVersion)
class IndexVersionAdmin(RecordAdmin[IndexVersion]):
    list_display = ["id", "live", "count", "model_version", "created_at", "activated_at"]
    list_select_related = ["model_version"]
    list_filter = ["is_active", "model_version"]
    actions = ["make_active", rebuild_index]
    change_list_template = "admin/gallery/indexversion/change_list.html"

    @admin.display(description="Live", boolean=True, ordering="is_active")
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

    @admin.action(description="Make active", permissions=["change"])
    def make_active(
        self, request: HttpRequest, queryset: QuerySet[IndexVersion]
    ) -> HttpResponse | None:
        chosen = list(queryset)
        if len(chosen) != 1:
            messages.error(request, "Choose one index: only one can be live.")
            return None
        [version] = chosen
        if version.is_active:
            messages.info(request, f"Index {version.pk} is live already.")
            return None
        if CONFIRMED not in request.POST:
            live = IndexVersion.objects.active()
            return confirmation(
                request,
                self,
                title=f"Make index {version.pk} live?",
                sentences=[
                    f"Live now: {live or 'nothing'}.",
                    f"Live then: {version}.",
                    "Its files are checked and its model is loaded first; nothing changes if "
                    "either cannot be used.",
                ],
                button="Make it live",
                action="make_active",
                selected=queryset,
            )
        try:
            service.make_active(version)
        except ContextVisionError as error:
            messages.error(request, f"Nothing was changed. {error}")
        else:
            messages.success(request, f"Index {version.pk} is live now.")
        return None


__all__ = ["IndexVersionAdmin", "ModelAdmin", "ModelVersionAdmin", "may_rebuild", "rebuild_index"]
