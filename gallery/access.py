"""Who may do what: the roles that a site begins with, and words for what is refused.

Permissions are Django's own. Pages, API, admin and tokens ask ``user.has_perm`` for the same names.
A role is a group; a migration made it, and administrators change what it holds. docs/access.md
tells the same in a table.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

Person = User | AnonymousUser | None
"""Who asks; nothing means the public."""

EVERY_IMAGE = "gallery.view_every_image"
"""Seeing pictures that are for others, and with them all that is written about pictures."""
ORIGIN = "gallery.view_image_origin"
"""Seeing who added a picture, where it came from, and its file as it was uploaded."""


@dataclass(frozen=True, slots=True)
class Role:
    """A group as the migration makes it."""

    label: "_StrPromise"
    permissions: frozenset[str]
    enters_admin: bool = False
    """Whether who gets it by ``manage.py role`` may open Django's admin (``is_staff``) too."""


def _of(model: str, *actions: str) -> set[str]:
    return {f"gallery.{action}_{model}" for action in actions}


_WHOLE = ("view", "add", "change", "delete")

_VIEWER = {
    f"gallery.view_{model}" for model in ("image", "caption", "collection", "tag")
}  # of the pictures that are for him; any account may do as much
_CONTRIBUTOR = _VIEWER | _of("image", "add")
_EDITOR = {
    *_CONTRIBUTOR,
    *(EVERY_IMAGE, ORIGIN),
    *(name for model in ("image", "caption", "collection", "tag") for name in _of(model, *_WHOLE)),
}
_LOOKS_AT_MODELS = {
    name
    for model in ("modelversion", "indexversion", "evaluation", "promotion", "savedqueryset")
    for name in _of(model, "view")
}
_TRAINER = {
    *_VIEWER,
    EVERY_IMAGE,
    *_LOOKS_AT_MODELS,
    *_of("modelversion", "add", "delete", "export"),
    *_of("evaluation", "add"),
    *_of("proposal", "add"),
    *_of("savedqueryset", *_WHOLE),
}
_OPERATOR = {
    *_VIEWER,
    EVERY_IMAGE,
    *_LOOKS_AT_MODELS,
    *_of("modelversion", "export"),
    *_of("promotion", "add"),
    *_of("indexversion", "add", "change"),
    *_of("job", "view", "add", "change"),
    *_of("jobevent", "view"),
    *_of("failure", "view", "change"),
    *_of("workerpulse", "view"),
    *_of("syncsource", *_WHOLE),
}
_ADMINISTRATOR = {
    *_EDITOR,
    *_TRAINER,
    *_OPERATOR,
    *_of("job", "delete"),
    *_of("failure", "delete"),
    *_of("auditevent", "view"),
    *(f"auth.{action}_{model}" for action in _WHOLE for model in ("user", "group")),
    "auth.view_permission",
    *("knox.view_authtoken", "knox.delete_authtoken"),
    *("axes.view_accessattempt", "axes.delete_accessattempt"),
}

ROLES: Mapping[str, Role] = {
    "viewer": Role(_("viewer"), frozenset(_VIEWER)),
    "contributor": Role(_("contributor"), frozenset(_CONTRIBUTOR)),
    "editor": Role(_("editor"), frozenset(_EDITOR)),
    "trainer": Role(_("trainer"), frozenset(_TRAINER)),
    "operator": Role(_("operator"), frozenset(_OPERATOR)),
    "administrator": Role(_("administrator"), frozenset(_ADMINISTRATOR), enters_admin=True),
}
"""By the name of the group. What a site has may have been changed since: nothing but making a group
reads this."""


def is_closed() -> bool:
    """Tell whether strangers see nothing at all, not even public pictures."""
    return settings.CONTEXTVISION_SIGN_IN == "required"


def has_perm(user: Person, permission: str) -> bool:
    """Tell whether this person may do something. Asks no database for those who are not signed in,
    and for others once a request."""
    return user is not None and user.has_perm(permission)


def sees_everything(user: Person) -> bool:
    return has_perm(user, EVERY_IMAGE)


def require(user: User, *permissions: str) -> None:
    """Let nobody go on who may not.

    Raises:
        PermissionDenied: something is missing; it says which role has it.
    """
    if missing := [name for name in permissions if not user.has_perm(name)]:
        raise PermissionDenied(refusal(missing))


def named(permissions: Iterable[str]) -> QuerySet[Permission]:
    """Select permissions by their names, such as ``gallery.add_image``."""
    asked = Q(pk__in=[])
    for name in permissions:
        app, _dot, codename = name.partition(".")
        asked |= Q(content_type__app_label=app, codename=codename)
    return Permission.objects.filter(asked)


def role_group(name: str) -> Group:
    """Return the group of a role; where it was deleted it is made anew, as it was at first."""
    group, is_new = Group.objects.get_or_create(name=name)
    if is_new:
        group.permissions.set(named(ROLES[name].permissions))
    return group


def name_of(group: Group) -> str:
    """What a group is called, in the reader's language where it is a role."""
    return str(ROLES[group.name].label) if group.name in ROLES else group.name


def refusal(missing: Iterable[str]) -> str:
    """Say what somebody would have to be to be let through: the groups that hold all of this."""
    groups = Group.objects.all()
    for permission in named(missing):
        groups = groups.filter(permissions=permission)
    order = list(ROLES)
    found = sorted(
        groups, key=lambda group: order.index(group.name) if group.name in ROLES else len(order)
    )
    if not found:
        return gettext("This needs a right that no role of this site holds: %(names)s.") % {
            "names": ", ".join(sorted(missing))
        }
    names = [gettext("“%(name)s”") % {"name": name_of(group)} for group in found]
    return gettext("This needs the role %(roles)s. Those who run this site can give it to you.") % {
        "roles": f" {gettext('or')} ".join(names)
    }
