"""Of what happens to jobs."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "job.started": _("Started."),
    "job.started_again": _("Started again, attempt %(attempt)s."),
    "job.no_sign_of_life": _("No sign of life from its worker; it waits for another one."),
    "job.handed_back": _("Its worker was told to stop; it waits for another one."),
    "job.cancelled_early": _("Cancelled before it had started."),
    "job.asked_to_stop": _("Asked to stop."),
    "job.succeeded": _("Succeeded."),
    "job.cancelled": _("Cancelled."),
    "job.interrupted": _("Cancelled: it was interrupted where it ran."),
    "job.failed": _("Failed. %(reason)s"),
    "job.defect": "%(type)s: %(text)s",
    "job.set_aside": _(
        "Set aside: its worker died %(times)s times. Look at the worker's log for the cause "
        "(often too little memory), then retry the job."
    ),
    "job.has_ended": _("%(job)s has ended; there is nothing to cancel."),
    "job.has_not_ended": _("%(job)s has not ended yet; cancel it first or wait."),
    "job.place_is_taken": _(
        "Another training or evaluation is running, and there is room for one at a time. Wait for "
        "its end, or queue this one from the pages or the API."
    ),
    "failure.untraceable": _(
        "Where %(item)s came from is not known any more; import it again by its path."
    ),
    "failure.workers_lost": _(
        "Set aside: %(deaths)s workers were lost while they embedded it. If the worker's log shows "
        "another cause, try it again."
    ),
    "failure.original_unreadable": _("The original file cannot be read: %(why)s."),
    "failure.original_changed": _(
        "The original file is not the one that was taken in: its SHA-256 is another. Put it back "
        "from a backup; a new version of a picture is uploaded as a picture of its own."
    ),
}
