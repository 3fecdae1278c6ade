"""What a search takes beside its filters.

Each parameter is declared once, in :data:`PARAMETERS`. The form's fields, the parameters of the
API and their description, and the bounds of the command's options follow from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

MAX_PARTS = 12
"""Parts of one query; each may cost as much as a search of its own."""
DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 24, 100
MAX_OFFSET = 10_000
"""Results this far down mean nothing any more; asking for them only costs time."""
MAX_ID = 2**63 - 1
"""The largest number that the database has for an id."""

RELEVANCE = "relevance"
SORTS = (
    (RELEVANCE, gettext_lazy("Best match")),
    ("-taken", gettext_lazy("Newest taken")),
    ("taken", gettext_lazy("Oldest taken")),
    ("-added", gettext_lazy("Newest added")),
    ("title", gettext_lazy("Title")),
)
"""Orders of results; a minus in front turns one round."""

_WEIGHED = "Several may be given, each with a weight behind a caret: `{example}^2`."


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that a search can be told."""

    name: str
    """In an address, in the API and on the command line."""
    kind: Literal["words", "pictures", "share", "number", "choice"]
    """``words`` and ``pictures`` are parts of the query, any number of them, each with a weight
    behind it if it is not 1; a ``share`` is from 0 to 1; a ``number`` is whole; a ``choice`` is one
    of ``choices``."""
    help: str
    """What it does, in a sentence for programmers."""
    label: "_StrPromise | None" = None
    """What it is called before an error about it; its name where None."""
    is_wanted: bool = True
    """Whether parts are what is looked for, or what is to be avoided."""
    least: int = 0
    most: int = 1
    """Bounds of a share or a number."""
    choices: "Sequence[tuple[str, _StrPromise]]" = ()
    """The values of a choice, the first of which stands where none is given, and their labels."""

    @property
    def is_part(self) -> bool:
        return self.kind in ("words", "pictures")

    @property
    def is_paging(self) -> bool:
        """Whether it says which of the results are answered, and not what is asked."""
        return self.kind in ("number", "choice")


PARAMETERS: dict[str, Parameter] = {
    each.name: each
    for each in (
        Parameter(
            "q",
            "words",
            "What the pictures should show or what is written on them, and in it what narrows "
            'down: `"words in quotes"` must be written, `-word` must not, and `tag:`, `title:`, '
            "`file:` and `in:` (a collection) ask for words in one place. "
            + _WEIGHED.format(example="two dogs"),
            gettext_lazy("Words"),
        ),
        Parameter(
            "like",
            "pictures",
            "Id of a picture to find more of. " + _WEIGHED.format(example="17"),
            gettext_lazy("More like"),
        ),
        Parameter(
            "unlike",
            "pictures",
            "Id of a picture to find less of. " + _WEIGHED.format(example="17"),
            gettext_lazy("Less like"),
            is_wanted=False,
        ),
        Parameter(
            "without",
            "words",
            "What the pictures should not show. It steers away from what looks so, whatever is "
            "written on it; `exclude` leaves out what has a word. "
            + _WEIGHED.format(example="snow"),
            gettext_lazy("Without"),
            is_wanted=False,
        ),
        Parameter(
            "weight",
            "share",
            "Share of the words where there are words and a picture; 0.5 where not given.",
            gettext_lazy("Share of the words"),
        ),
        Parameter(
            "min_relevance",
            "share",
            "Only results of at least this relevance.",
            gettext_lazy("Least relevance"),
        ),
        Parameter(
            "sort",
            "choice",
            "Order of the results. All orders but `relevance` are of the strong matches alone.",
            gettext_lazy("Order"),
            choices=SORTS,
        ),
        Parameter(
            "limit",
            "number",
            f"Results on a page; {DEFAULT_PAGE_SIZE} where not given.",
            least=1,
            most=MAX_PAGE_SIZE,
        ),
        Parameter("offset", "number", "Results to pass over.", most=MAX_OFFSET),
    )
}
"""By name, in the order in which the API tells of them."""
