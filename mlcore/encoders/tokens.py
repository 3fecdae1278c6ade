"""What tokenizers tell of a text beside its tokens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def unknown_token(tokenizer: Tokenizer) -> int | None:
    """Return the token that stands for what the vocabulary does not hold; None where all of it can
    be spelled, as by tokens of bytes."""
    name = json.loads(tokenizer.to_str())["model"].get("unk_token")
    return None if name is None else tokenizer.token_to_id(name)


def unknown_share(tokenizer: Tokenizer, unknown: int | None, text: str) -> float:
    """Return the share of a text's tokens that are ``unknown``, 0 to 1; 0 for an empty text."""
    if unknown is None:
        return 0.0
    encoding = tokenizer.encode(text, add_special_tokens=False)
    # What fills a text up to a length is no part of it.
    read = sum(encoding.attention_mask)
    return encoding.ids[:read].count(unknown) / read if read else 0.0
