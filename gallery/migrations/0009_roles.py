"""Roles: groups with the permissions that pages, API and admin ask for.

What they hold is written out as it is now: later releases have their own lists, and what an
administrator changed is left alone. Permissions are made by Django after all migrations, so those
that are given here are made first; Django finds them then.
"""

from django.db import migrations

from gallery.migrations._roles import give

ROLES = {
    "viewer": """
        gallery.view_caption gallery.view_collection gallery.view_image gallery.view_tag
    """,
    "contributor": """
        gallery.add_image gallery.view_caption gallery.view_collection gallery.view_image
        gallery.view_tag
    """,
    "editor": """
        gallery.add_caption gallery.add_collection gallery.add_image gallery.add_tag
        gallery.change_caption gallery.change_collection gallery.change_image gallery.change_tag
        gallery.delete_caption gallery.delete_collection gallery.delete_image gallery.delete_tag
        gallery.view_caption gallery.view_collection gallery.view_every_image gallery.view_image
        gallery.view_image_origin gallery.view_tag
    """,
    "trainer": """
        gallery.add_evaluation gallery.add_modelversion gallery.add_savedqueryset
        gallery.change_savedqueryset gallery.delete_modelversion gallery.delete_savedqueryset
        gallery.export_modelversion gallery.view_caption gallery.view_collection
        gallery.view_evaluation gallery.view_every_image gallery.view_image
        gallery.view_indexversion gallery.view_modelversion gallery.view_promotion
        gallery.view_savedqueryset gallery.view_tag
    """,
    "operator": """
        gallery.add_indexversion gallery.add_job gallery.add_promotion gallery.add_syncsource
        gallery.change_failure gallery.change_indexversion gallery.change_job
        gallery.change_syncsource gallery.delete_syncsource gallery.export_modelversion
        gallery.view_caption gallery.view_collection gallery.view_evaluation
        gallery.view_every_image gallery.view_failure gallery.view_image
        gallery.view_indexversion gallery.view_job gallery.view_jobevent
        gallery.view_modelversion gallery.view_promotion gallery.view_savedqueryset
        gallery.view_syncsource gallery.view_tag gallery.view_workerpulse
    """,
    "administrator": """
        auth.add_group auth.add_user auth.change_group auth.change_user auth.delete_group
        auth.delete_user auth.view_group auth.view_permission auth.view_user
        axes.delete_accessattempt axes.view_accessattempt gallery.add_caption
        gallery.add_collection gallery.add_evaluation gallery.add_image gallery.add_indexversion
        gallery.add_job gallery.add_modelversion gallery.add_promotion gallery.add_savedqueryset
        gallery.add_syncsource gallery.add_tag gallery.change_caption gallery.change_collection
        gallery.change_failure gallery.change_image gallery.change_indexversion
        gallery.change_job gallery.change_savedqueryset gallery.change_syncsource
        gallery.change_tag gallery.delete_caption gallery.delete_collection
        gallery.delete_failure gallery.delete_image gallery.delete_job
        gallery.delete_modelversion gallery.delete_savedqueryset gallery.delete_syncsource
        gallery.delete_tag gallery.export_modelversion gallery.view_caption
        gallery.view_collection gallery.view_evaluation gallery.view_every_image
        gallery.view_failure gallery.view_image gallery.view_image_origin
        gallery.view_indexversion gallery.view_job gallery.view_jobevent
        gallery.view_modelversion gallery.view_promotion gallery.view_savedqueryset
        gallery.view_syncsource gallery.view_tag gallery.view_workerpulse knox.delete_authtoken
        knox.view_authtoken
    """,
}

FORMER_STAFF = ("editor", "trainer", "operator")
"""Together they may all that staff could do before."""


def make_roles(apps, schema_editor):
    User = apps.get_model("auth", "User")
    made = give(apps, schema_editor, {name: text.split() for name, text in ROLES.items()})
    users = User.objects.using(schema_editor.connection.alias)
    for staff in (True, False):
        names = FORMER_STAFF if staff else ("viewer",)
        for user in users.filter(is_staff=staff, is_superuser=False):
            for name in names:
                group, permissions, is_new = made[name]
                user.groups.add(group)
                if not is_new:  # it was there under this name, and holds what it held
                    user.user_permissions.add(*permissions)


class Migration(migrations.Migration):

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("gallery", "0008_sources"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="image",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("view_every_image", "Can see every image, whoever it is for"),
                    ("view_image_origin", "Can see an image's owner, source and original file"),
                ],
                "verbose_name": "image",
                "verbose_name_plural": "images",
            },
        ),
        migrations.AlterModelOptions(
            name="modelversion",
            options={
                "ordering": ["-id"],
                "permissions": [("export_modelversion", "Can export a model version")],
                "verbose_name": "model version",
                "verbose_name_plural": "model versions",
            },
        ),
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
