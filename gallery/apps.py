from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.formats import get_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from mlcore import i18n


class GalleryConfig(AppConfig):
    name = "gallery"
    verbose_name = _("gallery")

    def ready(self) -> None:
        # They register system checks, sentences, and what is written down of accounts.
        from gallery import checks, messages  # noqa: F401
        from gallery.audit import signals  # noqa: F401

        pre_migrate.connect(_before_migration, sender=self)
        post_migrate.connect(_after_migration, sender=self)

        i18n.speak(
            gettext,
            lambda: (get_format("DECIMAL_SEPARATOR"), get_format("THOUSAND_SEPARATOR")),
            ngettext,
        )


def _before_migration(*, using: str, plan: Any = (), **options: Any) -> None:
    """Take the triggers out of the way where tables of the gallery are about to change."""
    from gallery.fulltext import triggers
    from gallery.models import sentence_triggers

    if any(migration.app_label == "gallery" for migration, _ in plan):
        for each in (sentence_triggers.TRIGGERS, triggers.TRIGGERS):
            each.remove(connections[using])


def _after_migration(*, using: str, **options: Any) -> None:
    """Make them again; while they were away, anything may have changed."""
    from gallery.fulltext import triggers, upkeep
    from gallery.models import SentenceReading, sentence_triggers

    connection = connections[using]
    tables = connection.introspection.table_names()
    # Where it was migrated back to before there were any, there is nothing to keep.
    if "gallery_sentencereading" in tables and sentence_triggers.TRIGGERS.install(connection):
        SentenceReading.objects.using(using).update(sentence_model=None)
    if "gallery_imagetext" in tables and triggers.TRIGGERS.install(connection):
        upkeep.mark_all()
