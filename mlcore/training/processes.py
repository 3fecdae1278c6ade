"""The processes that train together: one alone, or many that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from mlcore.config import Precision
from mlcore.encoders.runtime import choose_runtime
from mlcore.errors import TrainingError
from mlcore.training.extras import require

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

_WAIT_HOURS = 12
"""How long others wait while the main process encodes what is kept on disk."""


class Processes:
    """This process among those that train together, through accelerate.

    Args:
        expected: how many take part.
        device: as :func:`mlcore.encoders.runtime.choose_runtime`; under torchrun ``auto`` is this
            process's own GPU.
        precision: of the matrix products.

    Raises:
        TrainingError: another number takes part than was expected.
        ModelUnavailableError: the device is not present.
    """

    def __init__(self, expected: int, device: str, precision: Precision) -> None:
        # Looked at before anything waits for processes that will never come.
        started = int(os.environ.get("WORLD_SIZE", "1"))
        if started != expected:
            raise TrainingError("processes.other_number", expected=expected, started=started)
        self.count, self.rank = 1, 0
        if expected > 1:
            require("accelerate")
            from accelerate import PartialState

            wait = {"timeout": timedelta(hours=_WAIT_HOURS)}
            state = PartialState(cpu=device == "cpu", **wait)
            self.count, self.rank = state.num_processes, state.process_index
            if self.count != expected:
                raise TrainingError("processes.not_found", expected=expected, found=self.count)
            if device == "auto":
                device = str(state.device)
        self.runtime = choose_runtime(device, precision)

    @property
    def device(self) -> str:
        return self.runtime.device

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes files and tells of progress."""
        return self.rank == 0

    def autocast(self) -> Any:
        """Matrix products in bfloat16 where that is the precision."""
        import torch

        return torch.autocast(
            torch.device(self.device).type,
            torch.bfloat16,
            enabled=self.runtime.precision == "bfloat16",
        )

    def gather(self, tensor: torch.Tensor) -> torch.Tensor:
        """Put the rows of every process below each other, in the order of their ranks."""
        if self.count == 1:
            return tensor
        from accelerate.utils import gather

        gathered: torch.Tensor = gather(tensor.contiguous())
        return gathered

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        if self.count == 1:
            return tensor
        from accelerate.utils import reduce

        total: torch.Tensor = reduce(tensor, "sum")
        return total

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.count == 1:
            return flag
        import torch

        return bool(self.sum(torch.tensor(float(flag), device=self.device)).item())

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()

    def from_main(self, make: Callable[[], T]) -> T:
        """Let the main process make a value, of plain Python, and hand it to all others."""
        if self.count == 1:
            return make()
        from accelerate.utils import broadcast_object_list

        made: list[Any] = [make() if self.is_main else None]
        value: T = broadcast_object_list(made)[0]
        return value
