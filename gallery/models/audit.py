"""Who did what, when, to what, and from where: rows that are written once and never changed."""

from datetime import timedelta
from typing import Any, NoReturn

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mlcore.i18n import Message


class AuditError(RuntimeError):
    """Something tried to change what is written once."""


class AuditQuerySet(models.QuerySet["AuditEvent"]):
    def update(self, **values: Any) -> NoReturn:
        raise AuditError("Audit events are never changed.")

    def delete(self) -> NoReturn:
        raise AuditError("Audit events are kept for as long as the settings say.")

    def forget(self, older_than: timedelta) -> int:
        """Remove what is older than this; return how many."""
        old = self.filter(at__lt=Now() - older_than)
        return old._raw_delete(self.db)


class AuditEvent(models.Model):
    """One thing that somebody did.

    People are named, not referred to: what an account did stays when it is gone.
    """

    at = models.DateTimeField(_("at"), auto_now_add=True, db_index=True)
    user_id = models.BigIntegerField(_("account"), null=True, db_index=True)
    user_name = models.CharField(
        _("who"), max_length=150, blank=True, help_text=_("Empty for the system itself.")
    )
    code = models.CharField(_("what"), max_length=40, db_index=True)
    params = models.JSONField(_("parameters"), default=dict)
    object_kind = models.CharField(_("kind of object"), max_length=20, blank=True)
    object_id = models.CharField(_("object"), max_length=40, blank=True)
    address = models.CharField(
        _("from"), max_length=64, blank=True, help_text=_("Address, or a hash of it.")
    )

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        ordering = ["-id"]
        indexes = [models.Index(fields=["object_kind", "object_id"], name="audit_object")]

    def __str__(self) -> str:
        return str(self.message)

    def save(self, *args: Any, **options: Any) -> None:
        if not self._state.adding:
            raise AuditError("Audit events are never changed.")
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        raise AuditError("Audit events are kept for as long as the settings say.")

    @property
    def message(self) -> Message:
        """What was done, to be put into words."""
        return Message.from_json({"code": f"audit.{self.code}", "params": self.params})
