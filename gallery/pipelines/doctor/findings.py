"""What checks take and yield."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from gallery.models import Job
from mlcore.i18n import Message
from mlcore.progress import Progress


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is missing, damaged, or left over."""

    message: Message
    mended: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What a check found in one batch."""

    after: int = 0
    """Where the check goes on if it is interrupted now: the highest id that it has looked at."""
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Examination:
    """How is looked."""

    job: Job
    progress: Progress
    repairing: bool
    """Whether what can be mended is."""
    thorough: bool
    """Whether every byte of every original is read, and not only its size."""
    unasked: bool
    """Whether nobody asked for it: then what belongs to nothing is spared where it is much."""


Check: TypeAlias = Callable[[Examination, int], Iterator[Step]]
"""Looks at everything of its kind that comes after a position, in batches, and mends it where that
is wanted. May be interrupted after each step, and what it does may be done twice."""
