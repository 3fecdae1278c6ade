"""Of what an examination finds."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "doctor.files": _("Looking at files"),
    "doctor.vectors": _("Looking at vectors of pictures"),
    "doctor.squares": _("Looking at vectors of the ends of wide pictures"),
    "doctor.captions": _("Looking at vectors of captions and titles"),
    "doctor.words": _("Looking at words"),
    "doctor.jobs": _("Looking at jobs"),
    "doctor.leftovers": _("Looking for what was left over"),
    "doctor.indexes": _("Looking at indexes"),
    "doctor.original_missing": _(
        "The original file of picture %(id)s is missing (%(name)s). Put it back, import its source "
        "again, or delete the picture."
    ),
    "doctor.original_damaged": _(
        "The original file of picture %(id)s is not the one that was taken in (%(name)s). Put that "
        "one back, import its source again, or delete the picture."
    ),
    "doctor.rendition_broken": _(
        "A size in which picture %(id)s is shown is missing or damaged (%(name)s)."
    ),
    "doctor.vector_missing": _("Picture %(id)s has no vector of %(model)s."),
    "doctor.vector_damaged": _("The vector of picture %(id)s by %(model)s is damaged."),
    "doctor.caption_damaged": _(
        "The vector of a caption or the title of picture %(id)s is damaged."
    ),
    "doctor.caption_unread": _("What is said of picture %(id)s was not read as it is now."),
    "doctor.words_differ": _("The words of picture %(id)s are not as its record is."),
    "doctor.job_abandoned": _("%(job)s runs, but no worker gives a sign of life for it."),
    "doctor.plan_left": _("%(job)s has ended, but what it was to embed is still shared out."),
    "doctor.left_over": _("%(name)s belongs to nothing."),
    "doctor.too_many_left_over": _(
        "%(count)s files belong to no picture, too many to be removed without being asked: was an "
        "older database put back? 'manage.py doctor --repair' removes them."
    ),
    "doctor.index_unusable": _("Index %(index)s cannot be used: %(reason)s"),
    "doctor.index_differs": _("Index %(index)s is not as the database says: %(drift)s."),
}
