"""What may be said about a data set by whoever reads it, once, for all places where it can be."""

from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlcore.i18n import gettext_noop as _
from mlcore.layouts import LAYOUTS, PLAIN, Chosen

COLUMN_LENGTH = 200
"""Characters of the name of a column."""


@dataclass(frozen=True, slots=True)
class SourceOption:
    """How one thing is said."""

    label: str
    help: str
    choices: tuple[str, ...] = ()
    """What is accepted, beside nothing; any text where empty."""
    is_flag: bool = False
    """Whether it is a yes or a no."""


SOURCE_OPTIONS: Mapping[str, SourceOption] = {
    "layout": SourceOption(
        _("Layout"),
        _("How the data set is laid out, in the place of the guess."),
        (*LAYOUTS, PLAIN),
    ),
    "caption_column": SourceOption(
        _("Column of the captions"), _("Or the key, in the place of the guess.")
    ),
    "file_column": SourceOption(
        _("Column of the files"), _("Or the key, in the place of the guess.")
    ),
}
"""The fields of :class:`mlcore.layouts.Chosen`, by their names."""


def add_options(parser: ArgumentParser, options: Mapping[str, SourceOption]) -> None:
    """Add options to a command; one that is not given is empty, or no."""
    for name, option in options.items():
        flag = f"--{name.replace('_', '-')}"
        if option.is_flag:
            parser.add_argument(flag, action="store_true", help=option.help)
        else:
            choices = ("", *option.choices) if option.choices else None
            parser.add_argument(flag, default="", choices=choices, help=option.help)


def chosen(values: Mapping[str, Any]) -> Chosen:
    """Take what was said about a data set out of values by name; what is missing was not said."""
    return Chosen(**{name: values.get(name) or "" for name in SOURCE_OPTIONS})
