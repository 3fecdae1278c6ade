"""Of sources that are followed."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "sync.outside": _(
        "Name a folder or prefix in one of these: %(roots)s. Whoever runs the server can allow "
        "others, in CONTEXTVISION_SYNC_ROOTS."
    ),
    "sync.no_folder": _("There is no folder %(path)s. See whether its disk or share is mounted."),
    "sync.moved": _(
        "A link leads from %(path)s to another place now. Make it a folder again, or add that "
        "place as a source of its own."
    ),
    "sync.no_buckets": _(
        "Buckets need packages that are not installed: pip install 'contextvision[s3]'."
    ),
    "sync.empty": _(
        "%(source)s is empty, though it held pictures before. See whether its disk or share is "
        "mounted; nothing counts as vanished until something is there."
    ),
    "sync.source_removed": _("The source was removed meanwhile; add it again to go on."),
    "sync.under_way": _("A look into %(source)s is under way elsewhere; wait until it has ended."),
}
