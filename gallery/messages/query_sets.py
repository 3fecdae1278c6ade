"""Of the queries that a team keeps."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "query_set.no_name": _("A set of queries needs a name."),
    "query_set.tolerance": _("The tolerance is a share from 0 to 1."),
    "query_set.no_queries": _("A set of queries needs at least one query."),
    "query_set.name_taken": _("There is a set of queries called “%(name)s” already."),
    "query_set.no_words": _("Query %(number)s has no words."),
    "query_set.too_long": _("Query %(number)s is longer than %(limit)s characters."),
    "query_set.no_pictures": _("Query %(number)s names no picture that should come back."),
    "query_set.unknown_pictures": _(
        "Query %(number)s names pictures that do not exist: %(missing)s."
    ),
}
