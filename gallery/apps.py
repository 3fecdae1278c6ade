from django.apps import AppConfig
from django.utils.formats import get_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mlcore import words


class GalleryConfig(AppConfig):
    name = "gallery"
    verbose_name = _("gallery")

    def ready(self) -> None:
        from gallery import checks  # noqa: F401  (registers the system checks)

        words.speak(
            gettext, lambda: (get_format("DECIMAL_SEPARATOR"), get_format("THOUSAND_SEPARATOR"))
        )
