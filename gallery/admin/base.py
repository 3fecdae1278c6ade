"""What the admin pages of several tables share."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from gallery import audit, fulltext
from gallery.models import Image, Job

M = TypeVar("M", bound=models.Model)

CONFIRMED = "confirmed"
"""Field of a form that was sent from the page that asks."""

LONGEST_SEARCH = 300
"""Characters that a list is searched for."""

NAMED = 10
"""Rows that such a page names; the rest is counted."""

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


class AuditedAdmin(ModelAdmin[M]):
    """Rows whose deletion stands in the audit trail."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        # Each word is a condition of its own, and databases take no more than so many.
        if len(search_term) > LONGEST_SEARCH:
            told = gettext("Search for at most %(count)d characters.") % {"count": LONGEST_SEARCH}
            self.message_user(request, told, messages.WARNING)
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    service_records = False
    """Whether the service that deletes them sees to that."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.service_records:
            names = [str(row) for row in queryset[: audit.AT_ONCE]]
            kind = self.opts.model_name or ""
            audit.record("records_deleted", count=len(queryset), kind=kind, names=names)
        return super().log_deletions(request, queryset)


class WrittenAdmin(AuditedAdmin[M]):
    """Rows whose words are found: what changes in them is found at once."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        fulltext.catch_up()

    def delete_model(self, request: HttpRequest, obj: M) -> None:
        super().delete_model(request, obj)
        fulltext.catch_up()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> None:
        super().delete_queryset(request, queryset)
        fulltext.catch_up()


class RecordAdmin(AuditedAdmin[M]):
    """Rows that only the program writes: they can be looked at, and removed where that is safe.

    What can be done with them otherwise is done on the staff page that a column links to.
    """

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


def confirmation(
    request: HttpRequest,
    model_admin: ModelAdmin[Any],
    *,
    title: str,
    sentences: list[str],
    button: str,
    action: str = "",
    selected: QuerySet[Any] | None = None,
    name_them: bool = False,
) -> TemplateResponse:
    """Ask before something changes, and say what will.

    Rows that were chosen by "select all" are sent on as that, not one by one: there may be more of
    them than a form may have fields.
    """
    everything = request.POST.get("select_across") == "1"
    sent_on: Iterable[Any] = ()
    if selected is not None:
        sent_on = selected.values_list("pk", flat=True)[: 1 if everything else None]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "sentences": sentences,
        "named": selected[: NAMED + 1] if selected is not None and name_them else [],
        "most_named": NAMED,
        "button": button,
        "action": action,
        "everything": everything,
        "selected": sent_on,
        "confirmed_name": CONFIRMED,
        "checkbox_name": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/gallery/confirm.html", context)


def counted(sentence: str, count: int) -> str:
    """Fill in a number as it is written in the visitor's language."""
    return sentence % {"count": intcomma(count)}


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
        image.thumbnail_url,
        gettext("Picture %(id)s") % {"id": image.pk},
    )


def link(address: str, words: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', address, words)


def queued(job: Job) -> SafeString:
    """Say that a job waits, with a link to it."""
    return format_html(gettext("Queued: {}."), link(reverse("gallery:job", args=[job.pk]), job))
