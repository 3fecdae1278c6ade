"""The sentences of all codes of the search; ``search.apps`` registers them.

As in :mod:`mlcore.messages`, which says how a sentence is added.
"""

from mlcore.i18n import Sentence, add_messages
from mlcore.i18n import gettext_noop as _
from mlcore.i18n import ngettext_noop as ngettext

MESSAGES: dict[str, Sentence] = {
    # Why there is no answer
    "search.nothing_asked": _("Nothing to search for: give some words, a picture, or both."),
    "search.no_index": _(
        "No index is live yet. Import or upload pictures; they can be searched as soon as a worker "
        "has embedded and indexed them."
    ),
    "search.model_loading": _(
        "The model is still being loaded, as after every start of the site. It takes a few seconds "
        "more."
    ),
    "search.busy": _("Too many searches are waiting. Please try again in a few seconds."),
    "search.no_picture": _("There is no picture %(picture)s."),
    "search.not_embedded": _(
        "Picture %(picture)s has not been embedded yet; it can be used in a moment."
    ),
    "search.no_picture_id": _("“%(value)s” is not the id of a picture."),
    "search.no_period": _("%(text)s is not a year, a month or a day such as 2024-05-17."),
    "search.weight_out_of_range": _("The weight %(weight)s is not between %(least)s and %(most)s."),
    # What should be known about an answer
    "search.not_loaded": _("Index %(index)s is live but cannot be loaded: %(reason)s"),
    "search.impaired": _(
        "The index is being repaired. Until then searches are answered from the stored vectors or "
        "by the index before it."
    ),
    "search.captions_unread": _(
        "The model that reads captions cannot be loaded, so they are not compared."
    ),
    "search.not_compared": _(
        "Files of pictures are out of reach, so that it cannot be told whether one of these is the "
        "same picture."
    ),
    "search.text_cut": _("The text is longer than the model reads; its end was left out."),
    "search.offer_without": _("Leave out what looks like “%(text)s”"),
    "search.unknown_words": _(
        "The model does not know the characters of this text, so only the words that are written "
        "on pictures were compared with it."
    ),
    "search.nothing_read": _(
        "Nothing fits: the model does not know these characters, and they are written on no "
        "picture. Use other words, or an example picture."
    ),
    "search.nothing_there": _("There are no pictures in the index yet."),
    "search.nothing_left": _("No picture matches what you narrowed down to. Take a filter away."),
    "search.nothing_strong": _(
        "Nothing fits well: no picture looks like it, and it is written on none. Use other or "
        "fewer words, or an example picture."
    ),
    "search.nothing_strong_filtered": ngettext(
        "Nothing fits well in the %(count)s picture left by the filters. Take one away.",
        "Nothing fits well in the %(count)s pictures left by the filters. Take one away.",
    ),
    "search.nothing_strong_of_few": _(
        "Nothing fits well: there are only %(count)s pictures to choose from."
    ),
    "search.other_language": _(
        "The model that looks at the pictures reads %(languages)s only; other languages are found "
        "where they are written on pictures."
    ),
    "search.only_nearest": _(
        "Only the %(count)s nearest pictures were looked at; a filter brings others in."
    ),
}

add_messages(MESSAGES)
