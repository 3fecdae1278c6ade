"""Of vector stores and the index versions in them."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "vectors.unknown_store": _(
        "Index %(index)s is kept in a store of the kind %(store)s, which this program does not "
        "know. Build a new index with 'manage.py build_index'."
    ),
    "vectors.store_not_named": _(
        "Index %(index)s is kept in a store of the kind %(store)s, and "
        "CONTEXTVISION_VECTOR_BACKEND does not say where that is. Set it to an address like "
        "%(form)s, or build an index in the store that it names with 'manage.py build_index'."
    ),
    "vectors.not_in_store": _(
        "Index %(index)s is not in the vector store. Build a new index with 'manage.py "
        "build_index'. (%(reason)s)"
    ),
    "vectors.other_model": _(
        "What is stored of index %(index)s was made by another model (%(found)s). Build an index "
        "for the model that is meant ('manage.py build_index')."
    ),
    "vectors.file_damaged": _(
        "%(file)s of index %(index)s is missing or damaged. Build a new index with 'manage.py "
        "build_index'."
    ),
    "vectors.from_rows_meanwhile": _(
        "%(reason)s Searches are answered from the stored vectors meanwhile; a worker builds a new "
        "index."
    ),
    "vectors.too_many_rows": _(
        "%(reason)s Searches are answered again when a worker has built a new index: %(count)s "
        "vectors are too many to do so without one (at most %(limit)s)."
    ),
    "vectors.no_drift": _("no differences"),
    "vectors.drift": _(
        "%(missing)s missing, %(extra)s that should not be there, %(changed)s changed"
    ),
    "vectors.sentences_compared": _("Index %(index)s, captions and titles: %(drift)s"),
    "vectors.stray": _("The version %(location)s belongs to no index"),
    "vectors.milvus_kind": _("HNSW in the Milvus server that CONTEXTVISION_VECTOR_BACKEND names."),
    "vectors.milvus_not_found": _("Milvus at %(address)s does not have it: %(reason)s"),
    "vectors.milvus_loading": _(
        "Milvus at %(address)s is still loading its vectors. Please try again in a moment."
    ),
    "vectors.milvus_refuses": _("Milvus at %(address)s refuses: %(reason)s"),
    "vectors.milvus_away": _(
        "Milvus at %(address)s does not answer within %(seconds)s s, or does not accept the login "
        "(%(reason)s). Start it, or correct its address, and try again."
    ),
}
