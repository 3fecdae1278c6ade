"""Choosing which index, and with it which model, is live."""

from django.contrib.auth.models import User

from gallery.models import IndexVersion, Job
from gallery.services import jobs
from mlcore.errors import IndexMismatchError


def request_rebuild(*, user: User | None = None) -> Job:
    """Queue a rebuild of the live index; one that is queued already serves as well."""
    return jobs.start(Job.Kind.INDEX, user=user, key=Job.Kind.INDEX)


def make_active(version: IndexVersion) -> None:
    """Make a kept index live: forward or, as a rollback, back.

    Its files are read and checked, and its model loaded, before anything changes.

    Raises:
        IndexFileError, IndexMismatchError, ModelUnavailableError: it cannot serve.
    """
    live = IndexVersion.objects.active()
    version.load()
    version.model_version.load_encoder()
    if not version.activate(instead_of=live):
        raise IndexMismatchError(
            "Another index was made live at the same moment. Look at what is live now and try "
            "again if you still want to change it."
        )
