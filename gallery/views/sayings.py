"""What workers write down in English, in the language of whoever reads it.

Their rows hold sentences, so that each says for good what happened. Those that a worker says as a
matter of course are known here, with the places of what varies in them, and are recognised when
they are shown. Whatever else was written (why something failed, the gate's verdict) stays as it is.
"""

import re
from functools import cache

from django.utils.translation import gettext, gettext_noop

_SENTENCES = (
    gettext_noop("Asked to stop"),
    gettext_noop("Asking the saved queries"),
    gettext_noop("Building an index of %(count)s pictures"),
    gettext_noop("Cancelled. Interrupted"),
    gettext_noop("Cancelled before it had started"),
    gettext_noop("captions"),
    gettext_noop("Comparing and sending vectors: %(done)s of %(total)s"),
    gettext_noop("Embedding"),
    gettext_noop("Embedding on %(workers)s workers"),
    gettext_noop("encoding captions"),
    gettext_noop("encoding pictures"),
    gettext_noop("epoch %(number)s of %(total)s"),
    gettext_noop("Failed. %(reason)s"),
    gettext_noop("Importing %(layout)s"),
    gettext_noop("Live"),
    gettext_noop("Looking"),
    gettext_noop("Making it live"),
    gettext_noop("No sign of life from its worker; it waits for another one"),
    gettext_noop("Reading vectors"),
    gettext_noop("Started"),
    gettext_noop("Started again, attempt %(number)s"),
    gettext_noop("Waiting: the pictures are out of reach"),
    gettext_noop("Writing %(file)s"),
    # Words of a job's state, which are translated where they are defined.
    "Cancelled",
    "Failed",
    "Succeeded",
)


def in_the_readers_words(text: str) -> str:
    """Translate what a worker said, with or without a full stop; return anything else as it is."""
    bare = text.removesuffix(".")
    for sentence in _SENTENCES:
        if found := _pattern(sentence).fullmatch(bare):
            return gettext(sentence) % found.groupdict() + text[len(bare) :]
    return text


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    """Match the sentence with anything in its places."""
    places = re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(sentence))
    return re.compile(places, re.DOTALL)
