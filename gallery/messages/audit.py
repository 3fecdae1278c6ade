"""Of the audit trail."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _
from mlcore.i18n import ngettext_noop as ngettext

MESSAGES: dict[str, Sentence] = {
    # What was done to pictures
    "audit.images_deleted": ngettext(
        "%(count)s picture was deleted: %(ids)s.", "%(count)s pictures were deleted: %(ids)s."
    ),
    "audit.images_shown": ngettext(
        "%(count)s picture is for %(audience)s now: %(ids)s.",
        "%(count)s pictures are for %(audience)s now: %(ids)s.",
    ),
    "audit.public": _("everybody"),
    "audit.signed-in": _("everybody who is signed in"),
    "audit.groups": _("the groups %(names)s"),
    "audit.private": _("its owner and editors alone"),
    # What is live, and what left the site
    "audit.model_promoted": _("%(model)s went live, in the place of %(former)s."),
    "audit.model_promoted_anyway": _(
        "%(model)s went live in the place of %(former)s, although the gate refused it: %(reason)s"
    ),
    "audit.model_rolled_back": _("%(former)s went, and %(model)s is live again."),
    "audit.index_activated": _("Index %(index)s was made live."),
    "audit.nothing": _("nothing"),
    "audit.model_deleted": _("%(model)s was deleted."),
    "audit.model_proposed": _("%(model)s was proposed for promotion."),
    "audit.proposal_withdrawn": _("The proposal of %(model)s was withdrawn."),
    "audit.model_exported": _("%(model)s was exported."),
    "audit.export_downloaded": _("The export %(file)s was downloaded."),
    "audit.failures_downloaded": _("The list of failures was downloaded."),
    "audit.query_set_deleted": _("The query set “%(name)s” was deleted."),
    "audit.records_deleted": ngettext(
        "%(count)s record was deleted in the admin (%(kind)s): %(names)s.",
        "%(count)s records were deleted in the admin (%(kind)s): %(names)s.",
    ),
    # Who may do what
    "audit.roles_given": _("%(holder)s was given: %(names)s."),
    "audit.roles_taken": _("From %(holder)s was taken: %(names)s."),
    "audit.permissions_given": _("%(holder)s may now: %(names)s."),
    "audit.permissions_taken": _("%(holder)s may no longer: %(names)s."),
    "audit.role_deleted": _("The role %(role)s was deleted."),
    "audit.account_made": _("The account %(account)s was made."),
    "audit.account_deleted": _("The account %(account)s was deleted."),
    "audit.account_changed": _("%(account)s %(what)s."),
    "audit.on.is_active": _("may sign in"),
    "audit.off.is_active": _("may sign in no more"),
    "audit.on.is_staff": _("may open the admin"),
    "audit.off.is_staff": _("may open the admin no more"),
    "audit.on.is_superuser": _("may do everything"),
    "audit.off.is_superuser": _("may do everything no more"),
    # Signing in
    "audit.signed_in": _("Signed in."),
    "audit.signed_out": _("Signed out."),
    "audit.locked_out": _("Locked out after too many wrong passwords for %(account)s."),
    "audit.password_changed": _("The password of %(account)s was changed."),
    "audit.token_made": _("Got a token."),
    "audit.token_revoked": _("Gave back a token."),
    "audit.tokens_revoked": _("Gave back every token."),
}
