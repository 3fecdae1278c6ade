"""A tiny model of sentences, as sentence-transformers writes one to a folder."""

import json
from pathlib import Path
from typing import Any

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,!?:'-"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def make_sentences(
    folder: Path, *, pooling: str = "mean_tokens", seed: int = 0, max_tokens: int = 40
) -> Path:
    """Save a BERT with random weights that reads letter by letter, and return its folder.

    The same arguments give the same model.
    """
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    wrap: Any = PreTrainedTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *LETTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    wrap(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    ).save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BertModel(
            BertConfig(
                vocab_size=len(vocabulary),
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=64,
                max_position_embeddings=64,
                initializer_range=0.3,
            ),
            add_pooling_layer=False,
        )
    model.save_pretrained(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    write(
        folder / "modules.json",
        [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_x.models.{kind}"}
            for number, (path, kind) in enumerate(kinds.items())
        ],
    )
    write(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": 32,
            **{
                f"pooling_mode_{name}": name == pooling
                for name in ("cls_token", "mean_tokens", "max_tokens", "lasttoken")
            },
        },
    )
    write(
        folder / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False}
    )
    return folder


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def change(path: Path, **changes: Any) -> None:
    """Change values of a JSON file, or make it of them."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write(path, before | changes)
