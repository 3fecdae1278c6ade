"""The sentences of all codes of the gallery; ``gallery.apps`` registers them.

A module a subject, as in :mod:`mlcore.messages`, which says how a sentence is added.
"""

from gallery.messages import (
    audit,
    backups,
    bundles,
    doctor,
    jobs,
    learning,
    outcomes,
    pictures,
    query_sets,
    stages,
    storage,
    syncing,
    uploads,
    vectors,
    versions,
)
from mlcore.i18n import add_messages

for subject in (
    audit,
    backups,
    bundles,
    doctor,
    jobs,
    learning,
    outcomes,
    pictures,
    query_sets,
    stages,
    storage,
    syncing,
    uploads,
    vectors,
    versions,
):
    add_messages(subject.MESSAGES)
