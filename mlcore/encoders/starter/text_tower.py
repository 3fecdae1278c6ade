"""The text tower: MiniLM-L6, what training changed in it, and how it describes a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlcore.encoders.runtime import load_pretrained, load_transformers
from mlcore.encoders.starter.fingerprint import (
    MAX_TOKENS,
)
from mlcore.encoders.starter.packages import text_tower_folder
from mlcore.errors import ModelUnavailableError

if TYPE_CHECKING:
    import torch

TEXT_TOWER = "text_tower."
"""What the names of a checkpoint's changes to the text tower begin with."""

_LORA_PARTS = (".lora_a", ".lora_b")


def load_text_tower(changes: Mapping[str, torch.Tensor] | None = None) -> tuple[Any, Any]:
    """Load the text tower, in float32 on the CPU, and its tokenizer from their package.

    Raises:
        ModelUnavailableError: the package is missing, or the changes do not fit the tower.
    """
    import torch

    folder = text_tower_folder()
    transformers = load_transformers()
    model = load_pretrained("BertModel", folder, add_pooling_layer=False, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    change_text_tower(model, changes or {})
    return model.eval(), tokenizer


def tokenize_texts(tokenizer: Any, texts: Sequence[str], *, cut: bool = True) -> list[list[int]]:
    """Return the token ids of each text, cut to ``MAX_TOKENS`` unless told otherwise."""
    if not texts:
        return []
    rows: list[list[int]] = tokenizer(
        list(texts), truncation=cut, max_length=MAX_TOKENS if cut else None, verbose=False
    )["input_ids"]
    return rows


def change_text_tower(tower: Any, changes: Mapping[str, torch.Tensor]) -> None:
    """Apply what training changed in the text tower.

    Args:
        tower: the tower in float32, changed in place.
        changes: by name: a whole parameter to put in its place, or the two factors
            ``<module>.lora_a`` (rank, in) and ``<module>.lora_b`` (out, rank), whose product is
            added to that module's weight (LoRA, Hu et al. 2021, section 4.1).

    Raises:
        ModelUnavailableError: a change that does not fit the tower.
    """
    import torch

    parameters = dict(tower.named_parameters())
    # Whole parameters come first: factors were learned on top of them.
    for name in sorted(changes, key=lambda one: one.endswith(_LORA_PARTS)):
        module, _, part = name.rpartition(".")
        factors = f".{part}" in _LORA_PARTS
        target = parameters.get(f"{module}.weight" if factors else name)
        if part == "lora_b" and f"{module}.lora_a" in changes:
            continue  # applied with its partner
        change = changes[name].float()
        if factors:
            outer = changes.get(f"{module}.lora_b")
            fits = outer is not None and outer.shape[1:] == change.shape[:1]
            change = outer.float() @ change if outer is not None and fits else change[:0]
        if target is None or target.shape != change.shape:
            raise ModelUnavailableError("starter.text_tower_misfit", name=name)
        with torch.no_grad():
            target.copy_(target + change if factors else change)


def read_texts(tower: Any, rows: Sequence[list[int]]) -> torch.Tensor:
    """Describe tokenized texts by the mean over their tokens, with gradients where they are on.

    Args:
        tower: the text tower, on any device.
        rows: token ids of at least one text.

    Returns:
        float32 (n, TEXT_WIDTH) on the tower's device.
    """
    import torch

    longest = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for position, row in enumerate(rows):
        ids[position, : len(row)] = torch.tensor(row)
        mask[position, : len(row)] = 1
    return _mean_of_tokens(tower, ids.to(tower.device), mask.to(tower.device))


def _mean_of_tokens(tower: Any, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    tokens = tower(input_ids=ids, attention_mask=mask).last_hidden_state.float()
    features: torch.Tensor = (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return features
