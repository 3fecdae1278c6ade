"""What the audit trail can be narrowed down by."""

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from gallery.models import AuditEvent

SUBJECTS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "pictures": (_("Pictures"), ("images_deleted", "images_shown")),
    "models": (
        _("Models and indexes"),
        (
            *("model_promoted", "model_promoted_anyway", "model_rolled_back"),
            *("model_proposed", "proposal_withdrawn"),
            *("index_activated", "model_deleted", "query_set_deleted"),
        ),
    ),
    "exports": (_("Exports"), ("model_exported", "export_downloaded", "failures_downloaded")),
    "roles": (
        _("Roles and accounts"),
        (
            *("roles_given", "roles_taken", "permissions_given", "permissions_taken"),
            *("role_deleted", "account_made", "account_changed", "account_deleted"),
        ),
    ),
    "signing-in": (
        _("Signing in"),
        (
            *("signed_in", "signed_out", "locked_out", "password_changed"),
            *("token_made", "token_revoked", "tokens_revoked"),
        ),
    ),
    "admin": (_("Deleted in the admin"), ("records_deleted",)),
}
"""Codes by what they are about."""


class AuditFilterForm(forms.Form):
    """Narrows the list; what cannot be read is passed over."""

    about = forms.ChoiceField(
        label=_("About"),
        required=False,
        choices=[("", _("Everything")), *((name, words) for name, (words, _c) in SUBJECTS.items())],
    )
    who = forms.CharField(label=_("Who"), required=False, max_length=150)
    image = forms.IntegerField(
        label=_("Number of a picture"), required=False, min_value=1, max_value=2**63 - 1
    )
    since = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label=_("To"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def apply(self, events: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        self.is_valid()
        data = self.cleaned_data
        if about := data.get("about"):
            events = events.filter(code__in=SUBJECTS[about][1])
        if who := data.get("who"):
            events = events.filter(user_name=who)
        if image := data.get("image"):
            events = about_image(events, image)
        if since := data.get("since"):
            events = events.filter(at__gte=datetime.combine(since, time.min, tzinfo=UTC))
        if until := data.get("until"):
            events = events.filter(at__lte=datetime.combine(until, time.max, tzinfo=UTC))
        return events

    @property
    def is_narrowed(self) -> bool:
        return self.is_valid() and any(self.cleaned_data.values())


def about_image(events: QuerySet[AuditEvent], pk: int) -> QuerySet[AuditEvent]:
    """Keep what was done to one picture, by itself or with others."""
    of_images = events.filter(object_kind="image")
    found = of_images.filter(object_id=str(pk))
    # Numbers are kept as text in a list, quotes and all, so that 7 is not found in 17.
    return found | of_images.filter(params__icontains=f'"{pk}"')
