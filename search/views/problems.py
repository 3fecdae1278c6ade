"""Failures of a search in words, with the next step and the right status."""

from dataclasses import dataclass

from gallery.selectors import Person
from mlcore.errors import ContextVisionError, ImageRejectedError, InvalidQueryError
from search.engine import BusyError, NoActiveIndexError
from search.forms import SearchForm
from search.services import UnknownImageError

RETRY_AFTER = 3
"""Seconds; the queue of waiting searches is empty again by then."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What a page says when there is no answer."""

    title: str
    text: str
    status: int
    retry_after: int = 0
    staff_looks_at: str = ""
    """Name of the page where staff can see to it."""


def describe(error: ContextVisionError, user: Person) -> Problem:
    """Choose words for an expected failure."""
    text = str(error)
    match error:
        case InvalidQueryError():
            return Problem("There is nothing to search by", text, 422)
        case UnknownImageError():
            return Problem("That picture cannot be searched with", text, 404)
        case ImageRejectedError():
            return Problem("The picture was not accepted", text, 422)
        case BusyError():
            return Problem("The search is busy", text, 503, retry_after=RETRY_AFTER)
        case NoActiveIndexError():
            return Problem(
                "There is no index yet", text, 503, RETRY_AFTER, staff_looks_at="gallery:jobs"
            )
    if user is None or not user.is_staff:
        # The sentence is written for whoever runs the site, and names its folders.
        text = "The people who run this site can see the reason. Please try again later."
    return Problem("The search is out of order", text, 503, 60, staff_looks_at="gallery:versions")


def describe_invalid(form: SearchForm) -> Problem:
    """Put what is wrong with the fields into sentences."""
    sentences = []
    for name, errors in form.errors.items():
        label = form.fields[name].label or name.capitalize() if name in form.fields else ""
        sentences += [f"{label}: {error}" if label else str(error) for error in errors]
    return Problem("This search cannot be carried out", " ".join(sentences), 422)


def nothing_chosen() -> Problem:
    return Problem(
        "There is no picture to search with",
        "Choose a picture or drop one on the field, then search again.",
        422,
    )
