"""Giving permissions to roles while migrations run, when Django has not made them yet."""

from collections.abc import Iterable, Mapping
from typing import Any

NAMED = {
    "view_every_image": ("image", "Can see every image, whoever it is for"),
    "view_image_origin": ("image", "Can see an image's owner, source and original file"),
    "export_modelversion": ("modelversion", "Can export a model version"),
    # These belong to other packages, whose tables a migration of ours need not know.
    "view_accessattempt": ("accessattempt", "Can view access attempt"),
    "delete_accessattempt": ("accessattempt", "Can delete access attempt"),
    "view_authtoken": ("authtoken", "Can view auth token"),
    "delete_authtoken": ("authtoken", "Can delete auth token"),
}
"""Model and words of what is called otherwise than Django does by itself."""


def give(
    apps: Any, schema_editor: Any, roles: Mapping[str, Iterable[str]], *, to_known: bool = False
) -> dict[str, tuple[Any, list[Any], bool]]:
    """Make the groups of these names with permissions; return each group with the permissions that
    were meant for it, and whether it was made now.

    A group that is there is somebody's own and gets nothing. A migration that brings permissions
    which nobody can have decided about yet says ``to_known``; it makes no group.
    """
    using = schema_editor.connection.alias
    groups = apps.get_model("auth", "Group").objects.using(using)
    made = {}
    for name, permissions in roles.items():
        found = [_permission(apps, using, each) for each in permissions]
        group = groups.filter(name=name).first()
        is_new = group is None and not to_known
        if is_new:
            group = groups.create(name=name)
        if is_new or (to_known and group is not None):
            group.permissions.add(*found)
        made[name] = (group, found, is_new)
    return made


def _permission(apps: Any, using: str, name: str) -> Any:
    app, _, codename = name.partition(".")
    action, _, model = codename.partition("_")
    if codename in NAMED:
        model, words = NAMED[codename]
    else:
        words = f"Can {action} {apps.get_model(app, model)._meta.verbose_name}"
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(using)
    content_type, _ = content_types.get_or_create(app_label=app, model=model)
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    permission, _ = permissions.get_or_create(
        content_type=content_type, codename=codename, defaults={"name": words}
    )
    return permission
