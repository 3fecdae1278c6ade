"""Of how far a long piece of work is."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "stage.encoding_pictures": _("encoding pictures"),
    "stage.encoding_captions": _("encoding captions"),
    "stage.looking_for_leaks": _("looking for leaks"),
    "stage.epoch": _("epoch %(number)s of %(total)s"),
}
