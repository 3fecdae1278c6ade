"""How long work tells how far it is, and learns that it should stop."""

from typing import Any, Protocol, Self

from tqdm import tqdm


class Progress(Protocol):
    """Receives the progress of one piece of work.

    Implementations: a bar on the command line, a row in the database, or nothing at all.
    """

    def report(self, done: int, total: int, message: str = "") -> None:
        """Tell that ``done`` of ``total`` units are finished; a total of 0 is not known yet."""

    def should_stop(self) -> bool:
        """Tell whether the work was asked to stop; it then returns at the next safe point."""


class NoProgress:
    """Progress that nobody watches."""

    def report(self, done: int, total: int, message: str = "") -> None:
        return None

    def should_stop(self) -> bool:
        return False


class ProgressBar:
    """A bar on standard error, with rate and time left; silent where that is not a terminal."""

    def __init__(self, unit: str = "pictures") -> None:
        self._unit = unit
        self._bar: tqdm[Any] | None = None

    def report(self, done: int, total: int, message: str = "") -> None:
        if self._bar is None or self._bar.total != (total or None):
            self.close()
            self._bar = tqdm(total=total or None, unit=f" {self._unit}", disable=None)
        bar = self._bar
        if message:
            bar.set_description(message, refresh=False)
        bar.update(done - bar.n)

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
