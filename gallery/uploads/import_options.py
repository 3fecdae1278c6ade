"""What may be said about an import, once: the shell, the page and the API read it from here."""

from collections.abc import Mapping
from typing import Any

from mlcore.i18n import gettext_noop as _
from mlcore.layouts.options import SOURCE_OPTIONS, SourceOption

IMPORT_OPTIONS: Mapping[str, SourceOption] = {
    **SOURCE_OPTIONS,
    "update": SourceOption(
        _("Change what is there already"),
        _(
            "Sets owner, visibility, collection, split and title of pictures that are there "
            "already, where they differ; without it they are only counted."
        ),
        is_flag=True,
    ),
    "dry_run": SourceOption(
        _("Only look"), _("Tells what would be read, and how; nothing is imported."), is_flag=True
    ),
}
"""By the names of a job's parameters."""


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Take the options out of values by name; what was not said is left out."""
    return {name: values[name] for name in IMPORT_OPTIONS if values.get(name)}
