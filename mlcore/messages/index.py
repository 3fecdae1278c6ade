"""Of vectors and the index over them."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _
from mlcore.i18n import ngettext_noop as ngettext

MESSAGES: dict[str, Sentence] = {
    "index.exact_asked_for": _("Exact search over %(vectors)s vectors: it was asked for."),
    "index.exact_few": _(
        "Exact search over %(vectors)s vectors: up to %(limit)s pictures reading every vector is "
        "fast enough."
    ),
    "index.inverted_asked_for": _(
        "Inverted lists with 8 bits a number over %(vectors)s vectors: it was asked for. %(lists)s "
        "lists; as many of them are read as recall@10 of %(recall)s needs."
    ),
    "index.inverted_many": _(
        "Inverted lists with 8 bits a number over %(vectors)s vectors: above %(limit)s pictures "
        "reading every vector takes too long. %(lists)s lists; as many of them are read as "
        "recall@10 of %(recall)s needs."
    ),
    "index.vectors_of_other_width": _(
        "The vectors are %(width)s wide, but the index holds vectors of width %(dim)s. Use the "
        "model that the index was built with, or rebuild the index."
    ),
    "index.queries_of_other_width": _(
        "The queries are %(width)s wide, but the index holds vectors of width %(dim)s. Use the "
        "model that the index was built with, or rebuild the index."
    ),
    "index.query_not_finite": _(
        "Query vector %(row)s holds a value that is not a finite number; it has no direction to "
        "search in."
    ),
    "index.query_not_unit": _(
        "Query vector %(row)s has length %(length)s instead of 1; it has no direction to search in."
    ),
    "index.vector_not_finite": _(
        "The vector of image %(image)s holds a value that is not a finite number. Embed that image "
        "again, then rebuild."
    ),
    "index.vector_not_unit": _(
        "The vector of image %(image)s has length %(length)s instead of 1. Embed that image again, "
        "then rebuild."
    ),
    "index.ids_and_vectors": _(
        "There are %(ids)s ids for %(vectors)s vectors; each vector needs its own."
    ),
    "index.negative_ids": _("Image ids cannot be negative: %(ids)s."),
    "index.repeated_ids": _(
        "An image can be indexed once only, but these come more often: %(ids)s."
    ),
    "index.ids": _("ids %(ids)s"),
    "index.ids_and_more": ngettext(
        "ids %(ids)s and %(count)s more", "ids %(ids)s and %(count)s more"
    ),
    "index.folder_missing": _("The index folder %(folder)s does not exist. Rebuild the index."),
    "index.folder_exists_already": _(
        "The index folder %(folder)s exists already, and an index never changes once written. Save "
        "it under a new name."
    ),
    "index.not_written": _(
        "The index could not be written to %(folder)s: %(cause)s. Nothing was changed; free disk "
        "space or correct the permissions, then build again."
    ),
    "index.written_otherwise": _(
        "%(file)s does not read back as it was written. Nothing was changed; the disk may be full "
        "or failing. Free disk space or check the disk, then build again."
    ),
    "index.file_unreadable": _(
        "%(file)s in the index folder %(folder)s cannot be read (%(cause)s). Rebuild the index."
    ),
    "index.file_damaged": _(
        "%(file)s in the index folder %(folder)s is damaged: its bytes are not those that were "
        "written. Rebuild the index."
    ),
    "index.unknown_to_faiss": _(
        "%(file)s in %(folder)s cannot be read by this version of FAISS. Rebuild the index."
    ),
    "index.no_manifest": _(
        "The index folder %(folder)s has no readable %(file)s (%(cause)s). Rebuild the index."
    ),
    "index.other_format": _(
        "The index folder %(folder)s has format %(found)s; this program reads format %(known)s. "
        "Rebuild the index."
    ),
    "index.other_model": _(
        "The index in %(folder)s was made by the model %(made_by)s, but the model in use is "
        "%(in_use)s. Build an index for the model in use."
    ),
    "index.folder_exists": _("%(folder)s exists already; choose a folder that does not exist."),
    "index.folder_unwritable": _("%(folder)s cannot be written: %(cause)s."),
    "index.no_readable_picture": _("%(folder)s holds no picture that can be read."),
    "index.not_by_command": _(
        "%(folder)s is not an index of 'python -m mlcore index', or is damaged."
    ),
}
