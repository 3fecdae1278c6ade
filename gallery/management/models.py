"""Naming models on the command line, and telling what went wrong with them."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management.base import CommandError

from gallery.models import ModelVersion
from gallery.selectors import working_model
from mlcore.encoders import shared_encoder
from mlcore.errors import ContextVisionError

MODEL_HELP = (
    "number, name or fingerprint of a model, or 'starter', a CLIP name on the hub, a folder"
)


def model_named(name: str | None) -> ModelVersion:
    """Return the model that a person means; the live one where nothing is said.

    A number, a name, a reference or the start of a fingerprint names one that is known; what else
    can be loaded is made known.

    Raises:
        CommandError: there is no such model, or several have that name.
        ContextVisionError: it is not known and cannot be loaded.
    """
    if not name:
        live = working_model()
        if live is not None:
            return live
        name = settings.CONTEXTVISION_MODEL
    models = ModelVersion.objects.all()
    if name.isdecimal():
        found = list(models.filter(pk=int(name)))
        if not found:
            raise CommandError(f"There is no model {name}.")
    else:
        found = list(models.filter(name=name)) or list(models.filter(reference=name))
        if found and all(model.reference == name for model in found):
            # A reference means the model that looks at pictures as the settings say.
            views = ",".join(settings.CONTEXTVISION_VIEWS)
            found = list(models.filter(reference=name, views=views))
        if not found and len(name) >= 6:
            found = list(models.filter(fingerprint__startswith=name))
    if len(found) > 1:
        numbers = ", ".join(str(model.pk) for model in found)
        raise CommandError(f"Several models are called {name!r}; name one by its number: {numbers}")
    if found:
        return found[0]
    encoder = shared_encoder(
        name, options=settings.CONTEXTVISION_RUNTIME_OPTIONS, views=settings.CONTEXTVISION_VIEWS
    )
    return ModelVersion.objects.for_encoder(encoder)


@contextmanager
def expected_errors() -> Iterator[None]:
    """Let an expected failure end a command with its sentence."""
    try:
        yield
    except ContextVisionError as error:
        raise CommandError(str(error)) from error
