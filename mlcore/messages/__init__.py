"""The sentences of all codes of the core; importing anything of ``mlcore`` registers them.

A module a subject. To add a sentence, add a line to the module it belongs to, ::

    "dataset.no_pictures": _("%(path)s holds no pictures. Add some, then try again."),

and raise or report the code with the parameters it has places for:
``DatasetError("dataset.no_pictures", path=str(path))``. A sentence that goes by a number is
``ngettext(one, many)`` (``from mlcore.i18n import ngettext_noop as ngettext``) and takes that
number as ``count``. ``tests/mlcore/test_messages.py`` holds codes, sentences and parameters
against each other.
"""

from mlcore.i18n import add_messages
from mlcore.messages import (
    datasets,
    encoders,
    evaluation,
    imaging,
    index,
    layouts,
    query,
    relevance,
    stages,
    training,
)

SUBJECTS = (
    datasets,
    encoders,
    evaluation,
    imaging,
    index,
    layouts,
    query,
    relevance,
    stages,
    training,
)

for subject in SUBJECTS:
    add_messages(subject.MESSAGES)
