"""The options of a training that every command which trains has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from mlcore.training import Augment

_METRICS = ("hit_rate@1", "hit_rate@5", "hit_rate@10", "mrr")


def add_recipe_options(group: Any, *, count: Callable[[str], int]) -> None:
    """Add the options; one that is not given is None, for what is recommended.

    Args:
        group: a parser of argparse, or a group of one.
        count: reads whole numbers of something, and may refuse what makes no sense.
    """
    group.add_argument("--epochs", type=count)
    group.add_argument("--batch-size", type=count, help="pairs per step, over all processes")
    group.add_argument("--learning-rate", type=float)
    group.add_argument("--head-learning-rate", type=float)
    group.add_argument("--warm-up", type=float, help="share of the steps")
    group.add_argument("--weight-decay", type=float)
    group.add_argument("--augment", choices=get_args(Augment))
    group.add_argument(
        "--hard-negatives", action="store_true", default=None,
        help="pictures also refuse minimally changed, wrong captions",
    )  # fmt: skip
    group.add_argument("--weight-averaging", type=float, metavar="DECAY")
    group.add_argument(
        "--mix", dest="robust_mixes", type=float, nargs="+", metavar="SHARE",
        help="shares of the tuned weights to try against the base's at the end (WiSE-FT)",
    )  # fmt: skip
    group.add_argument("--patience", type=count, metavar="EPOCHS")
    group.add_argument("--metric", dest="validation_metric", choices=_METRICS)
    group.add_argument("--last-blocks", type=count, help="for --tune last")
    group.add_argument("--lora-rank", type=count, help="for --tune lora")
    group.add_argument("--seed", type=int)


def add_memory_options(group: Any, *, count: Callable[[str], int]) -> None:
    """Add what trades time for memory; arguments as for :func:`add_recipe_options`."""
    group.add_argument(
        "--micro-batch", type=count, help="pairs at once, for memory; the gradients stay"
    )
    group.add_argument("--gradient-checkpointing", action="store_true", default=None)
