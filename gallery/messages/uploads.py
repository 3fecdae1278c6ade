"""Of files on their way in."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "upload.empty": _("%(name)s: The file is empty."),
    "upload.too_large": _("%(name)s: At most %(limit)s MB."),
    "upload.more_than_announced": _("There are more bytes than were announced."),
    "upload.wrong_offset": _("The file goes on at byte %(arrived)s, not %(offset)s."),
    "upload.busy": _("The file is being written to by another request."),
    "import.no_such_source": _(
        "There is no %(source)s in the folder of imports, and no archive that you uploaded and "
        "that is still kept."
    ),
}
