"""What is typed into the search box, beside plain words.

``"words in quotes"`` must be written on a picture, and ``-word`` must not; ``tag:``, ``title:``,
``file:`` and ``in:`` (a collection) ask for what follows in one place, in quotes where it holds
blanks. Each becomes a filter; what is left is looked for by what it means.
"""

import re
from dataclasses import dataclass

from mlcore.words import tokens

FIELDS = {
    "tag": "tag",
    "title": "title",
    "titel": "title",
    "file": "file",
    "datei": "file",
    "in": "collection",
}
"""Names that may stand before a colon, in English and German, and the filters that they mean."""

_QUOTES = {'"': '"', "“": "”", "„": "“”", "«": "»", "»": "«"}
_QUOTED = "|".join(f"{left}[^{left}{right}]+[{right}]" for left, right in _QUOTES.items())
_TYPED = re.compile(
    rf"""
    (?<!\S)                                         # where a word begins
    (?: (?P<minus>-) | (?P<field>{"|".join(FIELDS)}) : )?
    (?: (?P<quoted>{_QUOTED}) (?=[\s,.;:!?)]|$) | (?P<bare>[^\s"]\S*) )
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Typed:
    """What a text asks for."""

    text: str
    """The words that are left."""
    conditions: tuple[tuple[str, str], ...] = ()
    """Filters by name, with their values, in the order in which they were typed."""


def read_typed(text: str) -> Typed:
    """Take out of a text what narrows down; a quote that does not end is none."""
    conditions: list[tuple[str, str]] = []

    def take(match: re.Match[str]) -> str:
        quoted = match["quoted"]
        value = quoted[1:-1].strip() if quoted else match["bare"]
        if match["field"] and value:
            name = FIELDS[match["field"].lower()]
        elif match["minus"] and tokens(value):
            name = "exclude"
        elif quoted and tokens(value):
            name = "phrase"
        else:
            return match[0]
        conditions.append((name, value))
        return ""

    rest = _TYPED.sub(take, text)
    return Typed(" ".join(rest.split()), tuple(dict.fromkeys(conditions)))


_LEAVES_OUT = re.compile(
    r"""
    (?<!\S)
    (?: (?:but|and|with|aber|und|mit|auch) \s+ )?
    (?: without | no | not | except | excluding | ohne | kein(?:e[nmrs]?)? | nicht | außer )
    \s+ (?: any \s+ | a \s+ | an \s+ | the \s+ | eine?[nmrs]? \s+ | d(?:er|ie|as|en|em) \s+ )?
    (?P<unwanted> [^,;.!?]+? )
    (?= \s* (?: [,;.!?] | $ | \s (?:and|but|with|on|in|at|und|aber|mit|auf|im|am|an) \s ) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DANGLING = re.compile(
    r"(?:\s+(?:who|that|which|is|are|was|were|does|do|and|but|with|der|die|das|ist|sind|und|aber|mit))+\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A sentence parted into what is wanted and what is not."""

    text: str
    without: str


def propose_without(text: str) -> Proposal | None:
    """Find what a sentence wants to be left out: models hardly understand "no" and "without".

    Nothing where all of it is what is not wanted, as of "no parking".
    """
    match = _LEAVES_OUT.search(text)
    if match is None:
        return None
    before = _DANGLING.sub("", text[: match.start()])
    kept = " ".join(f"{before} {text[match.end() :]}".split()).strip(" ,;.!?")
    unwanted = match["unwanted"].strip()
    if not tokens(kept) or not tokens(unwanted):
        return None
    return Proposal(kept, unwanted)
