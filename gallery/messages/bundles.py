"""Of the files in which models travel."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "bundle.exists": _("%(path)s exists already; choose a file that does not exist."),
    "bundle.cannot_be_written": _(
        "%(path)s could not be written (%(why)s); check free space and permissions."
    ),
    "bundle.cannot_be_read": _("%(path)s cannot be read (%(why)s)."),
    "bundle.is_none": _("%(path)s is not a bundle, or is damaged: %(why)s."),
    "bundle.no_contents": _("%(path)s is not a bundle: it holds no %(member)s."),
    "bundle.named_twice": _("%(path)s names a member twice; export it again."),
    "bundle.other_format": _(
        "%(path)s is a bundle of format %(found)s, and this version reads %(known)s; use the "
        "version of this program that wrote it, or export it again with this one."
    ),
    "bundle.other_members": _("%(path)s does not hold the members that it lists; copy it again."),
    "bundle.lacks": _("%(path)s lacks %(member)s; export it again."),
    "bundle.damaged": _(
        "%(member)s in %(path)s is damaged: its bytes are not those that were exported. Copy the "
        "bundle again."
    ),
    "bundle.bad_name": _("The bundle holds a member with a name that is none: %(member)s."),
    "bundle.compressed": _("%(member)s is compressed or encrypted, which no bundle's part is."),
    "bundle.not_of_a_model": _("%(member)s cannot be part of a model."),
    "bundle.malformed": _("%(member)s in the bundle is malformed; export it again."),
    "bundle.index_elsewhere": _(
        "%(index)s is kept in %(store)s, and a bundle carries an index in files. Copy the "
        "model's folder to the other machine instead, and let it embed its pictures there."
    ),
    "bundle.no_index": _("%(model)s has no index to export. Promote it first."),
    "bundle.nothing_live": _(
        "There is no live model, and a model without an index has none to export. Promote one "
        "first."
    ),
    "bundle.other_model": _(
        "The model in %(path)s is not the one that was exported: its fingerprint is %(found)s, and "
        "%(expected)s was written down."
    ),
    "bundle.names_no_model": _("%(path)s does not say which model it holds; export it again."),
    "bundle.bad_query_sets": _("The query sets in the bundle are malformed; export it again."),
    "bundle.cannot_be_unpacked": _(
        "%(path)s could not be unpacked into %(folder)s (%(why)s); check free space and "
        "permissions."
    ),
    "bundle.unknown_picture": _(
        "The bundle lists picture %(id)s, which its index does not hold; export it again."
    ),
}
