"""Of the place where pictures are kept."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _
from mlcore.i18n import ngettext_noop as ngettext

MESSAGES: dict[str, Sentence] = {
    "storage.unavailable": "%(what)s %(hint)s",
    "storage.just_unreachable": _("The bucket “%(bucket)s” could not be reached a moment ago."),
    "storage.unreachable": _("The bucket “%(bucket)s” cannot be reached (%(error)s)."),
    "storage.no_keys": _("The bucket “%(bucket)s” cannot be opened without keys."),
    "storage.no_bucket": _("The bucket “%(bucket)s” does not exist."),
    "storage.refused": _("The bucket “%(bucket)s” refuses these keys (%(error)s)."),
    "storage.out_of_order": _(
        "The bucket “%(bucket)s” is out of order (%(error)s, status %(status)s)."
    ),
    "storage.start_server": _(
        "See whether its server runs, and whether CONTEXTVISION_MEDIA_S3_ENDPOINT is its address."
    ),
    "storage.set_keys": _("Set CONTEXTVISION_MEDIA_S3_KEY and CONTEXTVISION_MEDIA_S3_SECRET."),
    "storage.make_bucket": _("Make it, or name another one in CONTEXTVISION_MEDIA_S3."),
    "storage.allow": _(
        "Set CONTEXTVISION_MEDIA_S3_KEY and CONTEXTVISION_MEDIA_S3_SECRET to keys that are allowed "
        "s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket."
    ),
    "storage.wait": _("Its server says so; look at its log, and try again."),
    "disk.full": _(
        "There is too little room left on the server’s disk, so this was not kept. Free some space "
        "there, then try again."
    ),
    "example.gone": ngettext(
        "This example picture is no longer kept: choose it again. Example pictures are removed "
        "after %(count)s hour.",
        "This example picture is no longer kept: choose it again. Example pictures are removed "
        "after %(count)s hours.",
    ),
}
