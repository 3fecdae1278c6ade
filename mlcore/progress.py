"""How long work tells how far it is, and learns that it should stop."""

from collections.abc import Mapping
from typing import Any, Protocol, Self, TypeAlias

from tqdm import tqdm

from mlcore.i18n import Message

Measurement: TypeAlias = Mapping[str, float | int | str]
"""One point of a run's curve: ``kind`` (``step`` or ``epoch``), ``step``, ``loss``, and others."""


class Progress(Protocol):
    """Receives the progress of one piece of work.

    Implementations: a bar on the command line, a row in the database, or nothing at all.
    """

    def report(self, done: int, total: int, message: Message | None = None) -> None:
        """Tell that ``done`` of ``total`` units are finished, and what is done at the moment.

        A total of 0 is not known yet.
        """

    def measured(self, values: Measurement) -> None:
        """Take one point of a run's curve, such as the loss at a step."""

    def should_stop(self) -> bool:
        """Tell whether the work was asked to stop; it then returns at the next safe point."""


class NoProgress:
    """Progress that nobody watches."""

    def report(self, done: int, total: int, message: Message | None = None) -> None:
        return None

    def measured(self, values: Measurement) -> None:
        return None

    def should_stop(self) -> bool:
        return False


class ProgressBar:
    """A bar on standard error, with rate and time left; silent where that is not a terminal."""

    def __init__(self, unit: str = "pictures") -> None:
        self._unit = unit
        self._bar: tqdm[Any] | None = None
        self._figures: dict[str, str] = {}

    def report(self, done: int, total: int, message: Message | str | None = None) -> None:
        if self._bar is None or self._bar.total != (total or None):
            self.close()
            self._bar = tqdm(total=total or None, unit=f" {self._unit}", disable=None)
        bar = self._bar
        if message:
            bar.set_description(str(message), refresh=False)
        bar.update(done - bar.n)

    def measured(self, values: Measurement) -> None:
        for name in ("loss", "hit_rate@5"):
            if name in values:
                self._figures[name] = f"{values[name]:.3f}"
        if self._bar is not None:
            self._bar.set_postfix(self._figures, refresh=False)

    def should_stop(self) -> bool:
        return False

    def close(self) -> None:
        """Leave the bar as it stands and go to the next line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
