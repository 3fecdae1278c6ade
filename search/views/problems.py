"""Failures of a search in words, with the next step and the right status."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from gallery.access import Person, has_perm
from gallery.disk import DiskFullError
from gallery.examples import ExampleGoneError
from gallery.vectors.errors import VectorStoreUnavailableError
from mlcore.errors import (
    CheckpointError,
    ContextVisionError,
    ImageRejectedError,
    IndexMismatchError,
    InvalidQueryError,
    ModelUnavailableError,
)
from search.engine import BusyError, ModelLoadingError, NoActiveIndexError
from search.forms import SearchForm
from search.services import UnknownImageError

RETRY_AFTER = 3
"""Seconds; the queue of waiting searches is empty again by then."""
OPERATES = "gallery.view_indexversion"
"""What those may look at who learn which folder is at fault, and are led to it."""
OUT_OF_ORDER_FOR = 60
"""Seconds; somebody has to mend it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What a page says when there is no answer."""

    title: str
    text: str
    status: int
    retry_after: int = 0
    """Seconds after which the same search may succeed; 0 where it will not."""
    asks_again: bool = False
    """Whether the page asks again by itself by then."""
    mended_at: str = ""
    """Name of the page where somebody who may can see to it."""
    mended_label: str = ""


def describe(error: ContextVisionError, user: Person) -> Problem:
    """Choose words for an expected failure."""
    text = str(error)
    match error:
        case InvalidQueryError():
            return Problem(_("There is nothing to search by"), text, 422)
        case UnknownImageError():
            return Problem(_("That picture cannot be searched with"), text, 404)
        case ExampleGoneError():
            return Problem(_("The example picture is gone"), text, 404)
        case ImageRejectedError():
            return Problem(_("The picture was not accepted"), text, 422)
        case DiskFullError():
            return Problem(_("The picture was not kept"), text, 507)
        case BusyError():
            return Problem(_("The search is busy"), text, 503, RETRY_AFTER)
        case ModelLoadingError():
            return Problem(_("The model is still loading"), text, 503, RETRY_AFTER, asks_again=True)
        case NoActiveIndexError():
            return Problem(
                _("There is no index yet"),
                text,
                503,
                RETRY_AFTER,
                mended_at="gallery:jobs",
                mended_label=_("Go to the jobs"),
            )
    retry_after = OUT_OF_ORDER_FOR
    match error:
        case VectorStoreUnavailableError():
            title, retry_after = _("The search cannot be reached just now"), RETRY_AFTER
        case IndexMismatchError():
            title = _("The index and the model do not fit together")
        case ModelUnavailableError() | CheckpointError():
            title = _("The model cannot be loaded")
        case _other:
            title = _("The search is out of order")
    if not has_perm(user, OPERATES):
        # The sentence is written for whoever runs the site, and names its folders.
        text = _("The people who run this site can see the reason. Please try again later.")
    return Problem(
        title,
        text,
        503,
        retry_after,
        mended_at="gallery:versions",
        mended_label=_("Look at the indexes"),
    )


def describe_invalid(form: SearchForm) -> Problem:
    """Put what is wrong with the fields into sentences."""
    sentences = []
    for name, errors in form.errors.items():
        label = form.fields[name].label or name.capitalize() if name in form.fields else ""
        sentences += [f"{label}: {error}" if label else str(error) for error in errors]
    return Problem(_("This search cannot be carried out"), " ".join(sentences), 422)
