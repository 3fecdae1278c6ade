"""The options of a training as options of a command."""

from __future__ import annotations

import argparse
from typing import Any

from mlcore.encoders import FAMILIES
from mlcore.training.config import OPTIONS
from mlcore.training.options import Group, Option


def add_options(parser: Any, *groups: Group, site: bool = False) -> None:
    """Add the options of some groups; one that is not given is None, for what is recommended.

    What makes no sense is refused with the rest of the recipe.

    Args:
        parser: a parser of argparse, or a group of one.
        groups: which options.
        site: whether only those that a training on the site may set.
    """
    for name, option in OPTIONS.items():
        if option.group in groups and (option.site or not site):
            parser.add_argument(
                option.flag or f"--{name.replace('_', '-')}",
                dest=name,
                default=None,
                help=_help(option),
                **_reading(option),
            )


def given_options(options: argparse.Namespace | dict[str, Any]) -> dict[str, Any]:
    """Return what was given, by the names of the recipe's fields."""
    values = options if isinstance(options, dict) else vars(options)
    return {name: values[name] for name in OPTIONS if values.get(name) is not None}


def _reading(option: Option) -> dict[str, Any]:
    if option.type is bool:
        return {"action": "store_true"}
    reading: dict[str, Any] = {"type": option.type}
    if option.choices:
        reading["choices"] = option.choices
    if option.metavar:
        reading["metavar"] = option.metavar
    if option.many:
        reading["nargs"] = "+"
    return reading


def _help(option: Option) -> str:
    concerns = [FAMILIES[name].label for name in option.families if name in FAMILIES]
    concerns += [f"--tune {tune}" for tune in option.tunes]
    return option.help + (f" For {' and '.join(concerns)} alone." if concerns else "")
