"""Of captioned pictures as a whole; :mod:`.layouts` has what is wrong with their files."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "command.more": _("and %(count)s more"),
    "dataset.unnamed": _("the dataset"),
    "dataset.empty": _("%(source)s holds no captioned pictures."),
    "dataset.picture_without_caption": _("%(picture)s in %(source)s has no caption."),
    "dataset.no_captions": _(
        "%(source)s holds no captions, and without captions nothing can be trained or evaluated; "
        "add them in one of the layouts that are known."
    ),
    "dataset.no_such_split": _(
        "%(source)s has no split called '%(split)s'; splits with captions: %(splits)s."
    ),
    "dataset.no_splits": _("none"),
    "dataset.cannot_hold_out": _(
        "%(held_out)s of %(pictures)s pictures cannot be held out; hold out at least 1 and leave "
        "at least 1."
    ),
    "dataset.one_picture": _("%(source)s is made of one picture; there is nothing to hold out."),
}
