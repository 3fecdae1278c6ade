"""What a folder of sentence-transformers says of its model, read without that library.

Its parts are listed in ``modules.json``: a transformer, how its tokens become one vector, and that
the vector is brought to length 1. What cannot be done as the folder says is refused by name: a
vector that is nearly right would be worse than none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlcore.encoders.checkpoints import CONFIG, file_sha256, read_json
from mlcore.encoders.hub import HUB_NAME, folder_of, hub_snapshot
from mlcore.encoders.sentences.base import Pooling
from mlcore.encoders.starter.packages import text_tower_folder
from mlcore.errors import CheckpointError, ModelUnavailableError

MINILM = "minilm"
"""The reference of all-MiniLM-L6-v2, which the starter stands on (Wang et al. 2020; trained on
sentence pairs)."""

MODULES = "modules.json"

_POOLINGS: Mapping[str, Pooling] = {
    "mean": "mean",
    "mean_tokens": "mean",
    # The sum over the root of the number: of another length, and of the same direction.
    "mean_sqrt_len_tokens": "mean",
    "cls": "cls",
    "cls_token": "cls",
    "lasttoken": "last",
}
"""By what the folders call them, before 2026 as ``pooling_mode_<name>``."""

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "special_tokens_map.json",
)

_TEXT_PROMPTS = ("document", "passage", "corpus")
"""Names of the prompt for what is kept, in the order in which sentence-transformers looks."""


@dataclass(frozen=True, slots=True)
class SentenceSettings:
    """How a transformer's tokens become the vector of a sentence."""

    pooling: Pooling
    max_tokens: int
    lower: bool
    query_prompt: str
    text_prompt: str


@dataclass(frozen=True, slots=True)
class SentenceModel:
    """A model of sentences on this machine."""

    name: str
    """The reference."""
    directory: Path
    """Of the whole."""
    transformer: Path
    """Of its transformer, mostly the same."""
    settings: SentenceSettings

    def weights(self) -> list[Path]:
        """Return the files with the weights.

        Raises:
            ModelUnavailableError: there are none in safetensors.
        """
        weights = sorted(self.transformer.glob("*.safetensors"))
        if not weights:
            raise ModelUnavailableError("model.no_safetensors", name=self.name)
        return weights

    def fingerprint(self) -> str:
        """As :attr:`SentenceEncoder.fingerprint`; it costs a look at every byte of the weights."""
        files = [self.transformer / CONFIG, *(self.transformer / name for name in _TOKENIZER_FILES)]
        made_from = {
            "files": {
                path.name: file_sha256(path)
                for path in [*self.weights(), *(file for file in files if file.is_file())]
            },
            "settings": asdict(self.settings),
        }
        return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def find_sentence_model(reference: str | Path) -> SentenceModel:
    """Find the folder of a model of sentences, getting it from the hub where it is one of the hub.

    Args:
        reference: ``minilm``; a folder that sentence-transformers wrote; or a name on the Hugging
            Face hub, with ``@revision`` after it where one is meant.

    Raises:
        ModelUnavailableError: there is no such model, it cannot be reached, or it says of itself
            what cannot be followed. No other model is ever taken in its place.
    """
    name = str(reference)
    if name == MINILM:
        return _read(name, text_tower_folder())
    folder = folder_of(reference)
    if folder is not None:
        return _read(name, folder)
    match = HUB_NAME.fullmatch(name)
    if (
        isinstance(reference, Path)
        or Path(name).expanduser().exists()
        or match is None
        or name.startswith(".")
    ):
        raise ModelUnavailableError("sentences.not_found", reference=name)
    return _read(name, hub_snapshot(match["name"], match["revision"]))


@lru_cache(maxsize=16)
def sentence_fingerprint(reference: str) -> str:
    """Return what :attr:`SentenceEncoder.fingerprint` will be, without loading the model.

    Raises:
        ModelUnavailableError: as :func:`find_sentence_model`.
    """
    return find_sentence_model(reference).fingerprint()


def _read(name: str, folder: Path) -> SentenceModel:
    if not (folder / MODULES).is_file():
        raise ModelUnavailableError("sentences.no_modules", name=name)
    try:
        return _Folder(name, folder).read()
    except CheckpointError as error:
        raise ModelUnavailableError(
            "model.unreadable_config", name=name, reason=error.message
        ) from error


@dataclass(frozen=True, slots=True)
class _Folder:
    name: str
    folder: Path

    def read(self) -> SentenceModel:
        parts = self._parts()
        transformer = self.folder / parts["Transformer"]
        own = _optional(transformer / "sentence_bert_config.json")
        if own.get("module_output_name", "token_embeddings") != "token_embeddings":
            raise self._refusal("sentence_bert_config.json", "module_output_name")
        prompts = self._prompts("Normalize" in parts)
        pooling_file = f"{parts['Pooling']}/config.json"
        pooling = read_json(self.folder / pooling_file)
        if not pooling.get("include_prompt", True) and any(prompts):
            raise self._refusal(pooling_file, "include_prompt")
        query_prompt, text_prompt = prompts
        return SentenceModel(
            self.name,
            self.folder,
            transformer,
            SentenceSettings(
                pooling=self._pooling(pooling_file, pooling),
                max_tokens=self._max_tokens(transformer, own),
                lower=bool(own.get("do_lower_case", False)),
                query_prompt=query_prompt,
                text_prompt=text_prompt,
            ),
        )

    def _parts(self) -> dict[str, str]:
        """Return the folder of each part by its kind."""
        try:
            listed = json.loads((self.folder / MODULES).read_text(encoding="utf-8"))
            kinds = [str(part["type"]).rpartition(".")[2] for part in listed]
            parts = {kind: str(part["path"]) for kind, part in zip(kinds, listed, strict=True)}
            asked = [part.get("kwargs") for part in listed]
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise CheckpointError("checkpoint.no_json", path=str(self.folder / MODULES)) from error
        if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
            raise self._refusal(MODULES, ", ".join(kinds))
        if any(asked):
            raise self._refusal(MODULES, "kwargs")
        if any(Path(path).name != path for path in parts.values()):
            raise self._refusal(MODULES, "path")
        return parts

    def _pooling(self, file: str, pooling: Mapping[str, Any]) -> Pooling:
        chosen = [
            key.removeprefix("pooling_mode_")
            for key, value in pooling.items()
            if key.startswith("pooling_mode_") and value
        ]
        named = pooling.get("pooling_mode")
        if named is not None:
            chosen = [named] if isinstance(named, str) else list(named)
        if len(chosen) != 1 or chosen[0] not in _POOLINGS:
            raise self._refusal(file, f"pooling_mode: {', '.join(map(str, chosen))}")
        return _POOLINGS[chosen[0]]

    def _prompts(self, of_unit_length: bool) -> tuple[str, str]:
        """Return what stands before what is asked, and before what is kept."""
        file = "config_sentence_transformers.json"
        about = _optional(self.folder / file)
        if about.get("model_type", "SentenceTransformer") != "SentenceTransformer":
            raise self._refusal(file, f"model_type: {about['model_type']}")
        similarity = about.get("similarity_fn_name") or "cosine"
        # Of vectors of length 1 the product is the cosine.
        if similarity != "cosine" and not (similarity == "dot" and of_unit_length):
            raise self._refusal(file, f"similarity_fn_name: {similarity}")
        prompts = {str(key): str(value) for key, value in (about.get("prompts") or {}).items()}
        usual = prompts.get(str(about.get("default_prompt_name")), "")
        kept = next((prompts[name] for name in _TEXT_PROMPTS if prompts.get(name)), usual)
        return prompts.get("query") or usual, kept

    def _max_tokens(self, transformer: Path, own: Mapping[str, Any]) -> int:
        config = read_json(transformer / CONFIG)
        if config.get("is_encoder_decoder"):
            raise self._refusal(CONFIG, "is_encoder_decoder")
        tokenizer = _optional(transformer / "tokenizer_config.json")
        limits = [
            own.get("max_seq_length") or tokenizer.get("model_max_length"),
            _places(config),
        ]
        # Tokenizers say 1e30 where they know no limit.
        known = [int(limit) for limit in limits if limit and 2 < limit < 1_000_000]
        return min(known, default=512)

    def _refusal(self, file: str, setting: str) -> ModelUnavailableError:
        return ModelUnavailableError(
            "sentences.not_followed", name=self.name, file=file, setting=setting
        )


def _places(config: Mapping[str, Any]) -> int | None:
    """How many tokens a transformer has places for; those of RoBERTa count after its padding."""
    places = config.get("max_position_embeddings")
    if places and config.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet"):
        return int(places) - int(config.get("pad_token_id", 1)) - 1
    return places


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}
