"""A CLIP of the real architecture with tiny random weights, and a tokenizer that fits it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

TINY: dict[str, dict[str, int]] = {
    "text": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
             "num_attention_heads": 2, "max_position_embeddings": 20},
    "vision": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
               "num_attention_heads": 2, "image_size": 32, "patch_size": 8},
}  # fmt: skip


def make_clip(
    folder: Path,
    *,
    dim: int = 24,
    seed: int = 0,
    text: dict[str, int] | None = None,
    vision: dict[str, int] | None = None,
    merges: Sequence[tuple[str, str]] = (),
    spread: float = 0.15,
) -> Path:
    """Save a randomly initialised CLIP into ``folder``, as transformers writes it; return it.

    The same arguments give the same bytes. The vocabulary is the 256 bytes, each also as the end
    of a word, so any text can be encoded; and what ``merges`` puts together from those. Weights
    are ``spread``, with this standard deviation, so that the vectors of two texts or pictures
    differ before any training; 0 leaves them as transformers makes them.
    """
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    alphabet = _byte_alphabet()
    words = [*alphabet, *(f"{letter}</w>" for letter in alphabet)]
    words += [left + right for left, right in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    known: Any = list(merges)  # as pairs, which the library takes and its types do not say
    tokenizer = CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)}, merges=known
    )
    text_config: dict[str, Any] = {
        **TINY["text"],
        "vocab_size": len(words),
        "bos_token_id": len(words) - 2,
        "eos_token_id": len(words) - 1,
        "pad_token_id": len(words) - 1,
        **(text or {}),
    }
    tokenizer.model_max_length = text_config["max_position_embeddings"]
    vision_config = {**TINY["vision"], **(vision or {})}
    config = CLIPConfig(text_config=text_config, vision_config=vision_config, projection_dim=dim)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIPModel(config)
        if spread:
            _spread(model, spread)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = vision_config["image_size"]
    CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}
    ).save_pretrained(folder)
    return folder


def _spread(model: Any, deviation: float) -> None:
    """Spread out what is nearly one vector as transformers initialises it."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(std=0.3 if "embedding" in name else deviation)


def _byte_alphabet() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())
