"""Of pictures and of sets of them."""

from mlcore.i18n import Sentence
from mlcore.i18n import gettext_noop as _

MESSAGES: dict[str, Sentence] = {
    "picture.unreadable": _("cannot be read (%(why)s)."),
    "data.folder": "%(path)s",
    "data.gallery": _("the gallery"),
    "data.collection": _("the collection %(name)s"),
    "data.train": _("the train pictures of %(place)s"),
    "data.validation": _("the validation pictures of %(place)s"),
    "data.test": _("the test pictures of %(place)s"),
    "data.none": _(
        "There are no such captioned pictures: %(data)s. Add captions to more pictures, or import "
        "a data set with captions."
    ),
    "demo.no_photographs": _(
        "The photographs of the demo come with scikit-image, which is not installed. Install it "
        "with 'pip install contextvision[demo]', or name a folder with --photos."
    ),
}
