"""A CLIP of the real architecture with tiny random weights, and a tokenizer that fits it."""

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
) -> Path:
    """Save a randomly initialised CLIP into ``folder``, as transformers writes it; return it.

    The same arguments give the same bytes. The vocabulary is the 256 bytes, each also as the end
    of a word, so any text can be encoded.
    """
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    alphabet = _byte_alphabet()
    words = [*alphabet, *(f"{letter}</w>" for letter in alphabet)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[])
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
        # As transformers initialises it, everything is nearly the same vector; spread it out.
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if weight.ndim > 1:
                    weight.normal_(std=0.3 if "embedding" in name else 0.15)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = vision_config["image_size"]
    CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}
    ).save_pretrained(folder)
    return folder


def _byte_alphabet() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())
