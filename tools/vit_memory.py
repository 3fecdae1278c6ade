"""``python -m tools.vit_memory``: what fine-tuning CLIP ViT-B/32 at its true size takes.

The weights are random, as none can be downloaded everywhere; sizes and memory are the real ones.
Prints time and the highest memory, and exits with 1 where that is 10 GB or more.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mlcore.training import TrainConfig, fine_tune
from tests.mlcore.clip_factory import make_clip
from tests.mlcore.training_data import Watcher, shapes

LIMIT_GB = 10.0

STEPS = 3
BATCH = 32

TEXT = {
    "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12,
    "num_attention_heads": 8, "max_position_embeddings": 77, "vocab_size": 49408,
}  # fmt: skip
VISION = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
    "num_attention_heads": 12, "image_size": 224, "patch_size": 32,
}  # fmt: skip


def main() -> int:
    from transformers import CLIPModel

    config = TrainConfig(
        tune="all", epochs=1, batch_size=BATCH, micro_batch=8, gradient_checkpointing=True,
        learning_rate=1e-6, augment="mirror+crop",
    )  # fmt: skip
    watcher = Watcher()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = make_clip(folder / "base", dim=512, text=TEXT, vision=VISION, spread=False)
        started = time.monotonic()
        result = fine_tune(
            base, shapes(count=BATCH * STEPS), config, out_dir=folder / "tuned", progress=watcher
        )
        seconds = time.monotonic() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        loaded: Any = CLIPModel.from_pretrained(result.directory, output_loading_info=True)
        model, report = loaded
    parameters = sum(value.numel() for value in model.parameters())
    whole = not any(report[kind] for kind in ("missing_keys", "unexpected_keys"))
    losses = [f"{point['loss']:.3f}" for point in watcher.points if point["kind"] == "step"]
    sys.stdout.write(
        f"{parameters / 1e6:.1f} million parameters, all trained; {len(losses)} steps of {BATCH} "
        f"pairs in parts of 8, with gradient checkpointing; losses {', '.join(losses)}.\n"
        f"Highest memory {peak:.2f} GB (limit {LIMIT_GB:g}); {seconds:.0f} s with loading and "
        f"writing.\nThe checkpoint loads in plain transformers: {'yes' if whole else 'no'}.\n"
    )
    return 0 if peak < LIMIT_GB and whole and len(losses) == STEPS else 1


if __name__ == "__main__":
    sys.exit(main())
