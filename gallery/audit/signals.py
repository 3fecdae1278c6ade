"""What Django and its packages do by themselves: accounts, roles and signing in."""

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.dispatch import receiver

from gallery.audit import record
from mlcore.i18n import Message

FLAGS = ("is_active", "is_staff", "is_superuser")
LINKS = {
    User.groups.through: "roles",
    User.user_permissions.through: "permissions",
    Group.permissions.through: "permissions",
}
"""Tables that say who may do what, and what is given by them."""


@receiver(m2m_changed)
def _given_or_taken(
    sender: Any, instance: Any, action: str, reverse: bool, model: Any, pk_set: Any, **_: Any
) -> None:
    if sender not in LINKS or action not in {"post_add", "post_remove", "pre_clear"}:
        return
    if action == "pre_clear":
        found = model.objects.filter(**{f"{_field_of(sender, reverse)}": instance.pk})
    else:
        found = model.objects.filter(pk__in=pk_set or ())
    others = list(found)
    pairs = [(other, [instance]) for other in others] if reverse else [(instance, others)]
    code = f"{LINKS[sender]}_{'given' if action == 'post_add' else 'taken'}"
    for holder, given in pairs:
        if given:
            kind = "account" if isinstance(holder, User) else "role"
            names = [_name(each) for each in given]
            record(code, kind=kind, pk=holder.pk, holder=_name(holder), names=names)


def _field_of(sender: Any, reverse: bool) -> str:
    """Name the relation by which those that a holder has are found, and the other way round."""
    if sender is Group.permissions.through:
        return "permissions" if reverse else "group"
    if sender is User.groups.through:
        return "groups" if reverse else "user"
    return "user_permissions" if reverse else "user"


def _name(row: Model) -> str:
    if isinstance(row, Permission):
        return f"{row.content_type.app_label}.{row.codename}"
    return str(row)


@receiver(pre_save, sender=User)
def _before_an_account_changes(instance: User, raw: bool = False, **_: Any) -> None:
    if instance._state.adding or raw:
        return
    before = User.objects.filter(pk=instance.pk).values(*FLAGS).first() or {}
    for flag, value in before.items():
        if getattr(instance, flag) != value:
            is_on = getattr(instance, flag)
            what = Message(f"audit.on.{flag}") if is_on else Message(f"audit.off.{flag}")
            record(
                "account_changed", kind="account", pk=instance.pk, account=str(instance), what=what
            )
    if getattr(instance, "_password", None) is not None:  # not so where only its hash is renewed
        record("password_changed", kind="account", pk=instance.pk, account=str(instance))


@receiver(post_save, sender=User)
def _account_made(instance: User, created: bool, raw: bool = False, **_: Any) -> None:
    if created and not raw:
        record("account_made", kind="account", pk=instance.pk, account=str(instance))


@receiver(post_delete, sender=User)
def _account_deleted(instance: User, **_: Any) -> None:
    record("account_deleted", kind="account", pk=instance.pk, account=str(instance))


@receiver(post_delete, sender=Group)
def _role_deleted(instance: Group, **_: Any) -> None:
    record("role_deleted", kind="role", pk=instance.pk, role=str(instance))


@receiver(user_logged_in)
def _signed_in(user: User, **_: Any) -> None:
    record("signed_in", user=user, kind="account", pk=user.pk)


@receiver(user_logged_out)
def _signed_out(user: User | None, **_: Any) -> None:
    if user is not None:
        record("signed_out", user=user, kind="account", pk=user.pk)


@receiver(user_locked_out)
def _locked_out(username: str | None = None, **_: Any) -> None:
    record("locked_out", kind="account", account=(username or "")[:150])
