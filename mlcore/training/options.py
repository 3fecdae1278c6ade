"""What a field of the recipe says of itself, once, for all places where it can be chosen.

The command line, the page and the API read it from here, so a new option is one field of
:class:`mlcore.training.config.TrainConfig`, declared with :func:`option`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

from mlcore.errors import TrainingError

Group: TypeAlias = Literal["recipe", "memory", "machine"]


@dataclass(frozen=True, slots=True)
class Option:
    """How one field is chosen."""

    label: str
    help: str
    type: type[int] | type[float] | type[bool] | type[str] | type[Path]
    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    many: bool = False
    """Whether it is a tuple of such values."""
    optional: bool = False
    """Whether it may be None."""
    families: tuple[str, ...] = ()
    """The families of models that it concerns; all where empty."""
    tunes: tuple[str, ...] = ()
    """The choices of what to train that it concerns; all where empty."""
    group: Group = "recipe"
    """Under which heading a command shows it."""
    site: bool = True
    """Whether a training on the site may set it; the other options are for the command line."""
    on_page: bool = False
    """Whether the form of the page shows it too."""
    ticked: Any = None
    """What a tick on the page stands for, where that is not simply yes."""
    flag: str = ""
    """Of the command line, where it is not made from the field's name."""
    metavar: str = ""

    def check(self, name: str, value: Any) -> None:
        """Refuse what the field does not accept.

        Raises:
            TrainingError: with the field and what it accepts.
        """
        if value is None and self.optional:
            return
        if not self.many:
            self._check_one(name, value)
            return
        if not isinstance(value, list | tuple):
            raise TrainingError("recipe.not_a_list", option=name)
        for each in value:
            self._check_one(name, each)

    def _check_one(self, name: str, value: Any) -> None:
        is_truth = isinstance(value, bool)
        if self.type is bool and not is_truth:
            raise TrainingError("recipe.not_a_truth", option=name)
        if self.choices and value not in self.choices:
            raise TrainingError("recipe.not_a_choice", option=name, choices=list(self.choices))
        if self.type is int and (is_truth or not isinstance(value, int)):
            raise TrainingError("recipe.not_whole", option=name)
        is_number = isinstance(value, int | float) and not is_truth
        if self.type is float and not (is_number and math.isfinite(value)):
            raise TrainingError("recipe.not_a_number", option=name)
        if self.type in (int, float):
            self._check_range(name, value)

    def _check_range(self, name: str, value: float) -> None:
        if self.least is not None and value < self.least:
            raise TrainingError("recipe.too_low", option=name, limit=f"{self.least:g}")
        if self.above is not None and value <= self.above:
            raise TrainingError("recipe.not_above", option=name, limit=f"{self.above:g}")
        if self.most is not None and value > self.most:
            raise TrainingError("recipe.too_high", option=name, limit=f"{self.most:g}")
        if self.below is not None and value >= self.below:
            raise TrainingError("recipe.not_below", option=name, limit=f"{self.below:g}")


def option(default: Any, label: str, text: str, kind: Any = None, **rest: Any) -> Any:
    """Declare a field of the recipe.

    Args:
        default: where nothing is chosen.
        label: its name for people.
        text: one or two sentences about it.
        kind: the type of its values; that of the default where not given.
        rest: as :class:`Option`; a default of None makes it optional.
    """
    found = Option(label, text, kind or type(default), optional=default is None, **rest)
    return field(default=default, metadata={"option": found})


def options_of(recipe: Any) -> Mapping[str, Option]:
    """Return the options of a dataclass by the names of their fields, in their order."""
    return {
        each.name: each.metadata["option"] for each in fields(recipe) if "option" in each.metadata
    }
