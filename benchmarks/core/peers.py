"""What people would use instead, used as its own documentation shows."""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.harness.measure import BenchmarkError
from mlcore.config import FloatMatrix, RuntimeOptions

REQUIREMENTS = "requirements-benchmark.txt"


class PeerMissingError(BenchmarkError):
    """Something to compare with is not installed."""


def library(name: str) -> Any:
    """Import a library to compare with.

    Raises:
        PeerMissingError: it is not installed, or does not load.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise PeerMissingError(
            f"The benchmark compares with {name.partition('.')[0]}, which cannot be loaded "
            f"({error}). Install what it compares with: pip install -r {REQUIREMENTS}"
        ) from error


def opened(data: bytes) -> Image.Image:
    """Decode a picture as scripts do: whole, by PIL, in this process."""
    return Image.open(io.BytesIO(data)).convert("RGB")  # noqa: TID251 - the benchmark's own files


class PlainTransformers:
    """``CLIPModel`` and ``CLIPProcessor`` with their defaults: float32, texts padded to 77."""

    name = "transformers, float32"

    def __init__(self, folder: str) -> None:
        transformers = library("transformers")
        self._torch = library("torch")
        self._model = transformers.CLIPModel.from_pretrained(folder).eval()
        self._processor = transformers.CLIPProcessor.from_pretrained(folder)

    def images(self, files: Sequence[bytes]) -> FloatMatrix:
        """Return unit rows."""
        inputs = self._processor(images=[opened(data) for data in files], return_tensors="pt")
        with self._torch.inference_mode():
            return _unit(self._model.get_image_features(**inputs))

    def texts(self, texts: Sequence[str]) -> FloatMatrix:
        """Return unit rows."""
        inputs = self._processor(
            text=list(texts), return_tensors="pt", padding="max_length", truncation=True
        )
        with self._torch.inference_mode():
            return _unit(self._model.get_text_features(**inputs))


class SentenceTransformersClip:
    """The same checkpoint through sentence-transformers."""

    name = "sentence-transformers"

    def __init__(self, folder: str) -> None:
        self._model = library("sentence_transformers").SentenceTransformer(folder, device="cpu")

    def images(self, files: Sequence[bytes]) -> FloatMatrix:
        """Return unit rows."""
        pictures = [opened(data) for data in files]
        found: FloatMatrix = self._model.encode(pictures, normalize_embeddings=True)
        return found

    def texts(self, texts: Sequence[str]) -> FloatMatrix:
        """Return unit rows."""
        found: FloatMatrix = self._model.encode(list(texts), normalize_embeddings=True)
        return found


class EagerStarter:
    """The starter in torch as it was trained, float32, pictures decoded by PIL."""

    name = "torch, float32"

    def __init__(self) -> None:
        from mlcore.encoders import load_encoder

        self._encoder = load_encoder(
            "starter", options=RuntimeOptions(device="cpu", precision="float32", library="torch")
        )

    def images(self, files: Sequence[bytes]) -> FloatMatrix:
        """Return unit rows."""
        return self._encoder.encode_images([opened(data) for data in files])

    def texts(self, texts: Sequence[str]) -> FloatMatrix:
        """Return unit rows."""
        return self._encoder.encode_texts(texts)


def _unit(output: Any) -> FloatMatrix:
    features = getattr(output, "pooler_output", output)
    rows: FloatMatrix = features.numpy().copy()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def write_vit_b32(folder: Path, sentences: Sequence[str]) -> Path:
    """Save a CLIP ViT-B/32 of its true size with random weights, and a tokenizer for it.

    Its speed is that of the trained one. The tokenizer learns its vocabulary from ``sentences``, so
    that they are about as long in tokens as they would be in CLIP's own. Returns ``folder``.
    """
    torch, transformers = library("torch"), library("transformers")
    tokenizer = _tokenizer(sentences)
    tokenizer.save_pretrained(folder)
    end = tokenizer.eos_token_id
    config = transformers.CLIPConfig(
        text_config={
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": end,
            "pad_token_id": end,
        }
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.CLIPModel(config).save_pretrained(folder)
    transformers.CLIPImageProcessorPil().save_pretrained(folder)
    return folder


def _tokenizer(sentences: Sequence[str]) -> Any:
    transformers = library("transformers")
    letters = sorted(library("tokenizers").pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    bare = transformers.CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)}, merges=[]
    )
    learnt = bare.train_new_from_iterator(sentences, vocab_size=49_408)
    learnt.model_max_length = 77
    return learnt
