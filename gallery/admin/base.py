"""What the admin pages of several tables share."""

from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gallery.models import Image, Job

M = TypeVar("M", bound=models.Model)

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline
else:

    class _Subscriptable:
        """Django's own classes take type parameters only in the eyes of a type checker."""

        def __class_getitem__(cls, item: Any) -> type:
            return cls

    class ModelAdmin(_Subscriptable, admin.ModelAdmin):
        pass

    class TabularInline(_Subscriptable, admin.TabularInline):
        pass


class RecordAdmin(ModelAdmin[M]):
    """Rows that only the program writes: they can be looked at, and removed where that is safe."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: M | None = None) -> list[str]:
        return [field.name for field in self.opts.fields]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the row; the permission to change it is for the actions of the list."""
        nothing_to_save = {"show_save": False, "show_save_and_continue": False}
        context = {**nothing_to_save, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)


def person(request: HttpRequest) -> User:
    """Who is signed in: the admin lets nobody else in."""
    return cast(User, request.user)


def thumbnail_of(image: Image | None) -> SafeString | str:
    """The small picture, with a link to its page; the address asks for permission as all do."""
    if image is None:
        return "–"
    return format_html(
        '<a href="{}"><img class="admin-thumbnail" src="{}" alt="{}" width="72" height="54" '
        'loading="lazy"></a>',
        image.get_absolute_url(),
        reverse("gallery:thumbnail", args=[image.pk]),
        f"Picture {image.pk}",
    )


def job_link(job: Job) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse("gallery:job", args=[job.pk]), job)
