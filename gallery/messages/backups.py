"""Of backups, and of bringing them back."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "backup.rows": _("Rows"),
    "backup.pictures": _("Pictures"),
    "backup.models": _("Models"),
    "backup.checking": _("Checking"),
    "backup.under_way": _("Another backup into %(folder)s is under way; wait until it has ended."),
    "backup.not_as_written": _(
        "What was written to %(folder)s is not what is read back; its disk cannot be trusted."
    ),
    "backup.damaged": _(
        "%(object)s is damaged: its bytes are not those that were backed up. Use another backup; "
        "'manage.py restore --check' tells which are whole."
    ),
    "backup.file_fault": _("%(path)s cannot be used (%(why)s); check free space and permissions."),
    "backup.none_there": _("%(folder)s holds no backup that was completed."),
    "backup.not_there": _("There is no backup %(name)s; there are: %(known)s."),
    "backup.later_format": _(
        "Backup %(name)s was made by release %(release)s, which is later than this one; restore it "
        "with that release."
    ),
    "backup.of_later_release": _(
        "The backup was made by release %(release)s: this one does not know its migration "
        "%(unknown)s. Restore it with that release or a later one."
    ),
    "backup.of_another_release": _(
        "The database is not as this release leaves it; run 'manage.py migrate' first, or make the "
        "backup with the release that the database belongs to."
    ),
    "backup.unknown_table": _(
        "The backup holds %(table)s, which no table of its release is; use another backup."
    ),
    "backup.site_is_filled": _(
        "This installation holds pictures, people or jobs already, and a restore would replace "
        "them. Give --replace to let it, after a backup of what is here."
    ),
    "backup.workers_run": _(
        "Workers run here, and would work on what is being replaced. Stop them and the web server, "
        "wait a minute, and try again."
    ),
}
