"""Encoders turn pictures and sentences into unit vectors of one space.

:func:`load_encoder` finds the model that a reference names: the starter, a folder, or a name on
the Hugging Face hub. Weights are read from safetensors only and no code of a checkpoint is run.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from mlcore.checkpoints import CONFIG, file_sha256, is_checkpoint, read_json, verify_checkpoint
from mlcore.config import FloatMatrix
from mlcore.errors import CheckpointError, ModelUnavailableError
from mlcore.images import square
from mlcore.runtime import Precision, Runtime, choose_runtime, in_batches, load_transformers, pixels
from mlcore.starter import STARTER, StarterEncoder

if TYPE_CHECKING:
    import torch
    from PIL import Image

IMAGE_BATCH = 32
"""Pictures encoded at once: larger batches are no faster on a CPU and take more memory."""

TEXT_BATCH = 64
"""Texts encoded at once."""

NETWORK_TIMEOUT_S = 5.0
"""Seconds to wait for the hub to answer; a file that is coming may take as long as it needs."""

# Radford et al. 2021: what the pictures of every published CLIP were normalised with.
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

_HUB_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_HUB_FILES = ("*.json", "*.txt", "*.safetensors")

_CONVERSION_AUTHOR = "SFconvertbot"
_CONVERSION_TITLE = "Adding `safetensors` variant of this model"


class Encoder(Protocol):
    """A model that puts pictures and words into one vector space. Safe to call from threads."""

    @property
    def name(self) -> str:
        """The reference it was loaded from."""

    @property
    def dim(self) -> int:
        """Width of a vector."""

    @property
    def image_size(self) -> int:
        """Pixels on each side of the square that the model looks at."""

    @property
    def fingerprint(self) -> str:
        """sha256 of weights, configuration and preprocessing, whatever the device or precision.

        Vectors may be compared only when the fingerprints of their encoders are equal.
        """

    @property
    def runtime(self) -> str:
        """Library, precision and device, for people: ``torch bfloat16 on cpu``."""

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        """Return float32 (n, dim) unit rows in the order of ``texts``; (0, dim) for none.

        Text longer than the model takes is cut at its end; see :meth:`is_truncated`.

        Raises:
            ModelUnavailableError: the model gave numbers that are not finite.
        """

    def encode_images(self, images: Sequence[Image.Image]) -> FloatMatrix:
        """Return float32 (n, dim) unit rows in the order of ``images``; (0, dim) for none.

        Args:
            images: upright 8-bit RGB of any size; only the centre square is looked at.

        Raises:
            ModelUnavailableError: the model gave numbers that are not finite.
        """

    def is_truncated(self, text: str) -> bool:
        """Tell whether the end of ``text`` is cut off when it is encoded."""


class ClipEncoder:
    """Any checkpoint of the CLIP architecture (Radford et al. 2021), through transformers."""

    def __init__(
        self,
        *,
        name: str,
        model: Any,
        tokenizer: Any,
        preprocessing: dict[str, Any],
        fingerprint: str,
        runtime: Runtime,
    ) -> None:
        self.name = name
        self.dim: int = model.config.projection_dim
        self.image_size: int = model.config.vision_config.image_size
        self.fingerprint = fingerprint
        self._model = model
        self._tokenizer = tokenizer
        # The tokenizer keeps its settings in one object; two threads at once may not touch it.
        self._tokenizer_lock = threading.Lock()
        self._max_tokens: int = model.config.text_config.max_position_embeddings
        self._mean = [255 * value for value in preprocessing["mean"]]
        self._std = [255 * value for value in preprocessing["std"]]
        self._runtime = runtime

    @classmethod
    def load(
        cls, directory: Path, *, name: str, device: str = "auto", precision: Precision = "auto"
    ) -> Self:
        """Load a folder as transformers writes it.

        Raises:
            ModelUnavailableError: the folder does not hold a whole CLIP model in safetensors.
        """
        weights = _require_clip(directory, name)
        runtime = choose_runtime(device, precision)
        model, tokenizer = _load_clip(directory, name, runtime)
        preprocessing = _clip_preprocessing(directory, model.config.vision_config.image_size)
        return cls(
            name=name,
            model=model,
            tokenizer=tokenizer,
            preprocessing=preprocessing,
            fingerprint=_clip_fingerprint(directory, weights, preprocessing),
            runtime=runtime,
        )

    @property
    def runtime(self) -> str:
        return str(self._runtime)

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        rows = self._tokenize(texts)
        # Texts of one length share a batch, so little is spent on padding.
        order = np.argsort([len(row) for row in rows], kind="stable")
        encoded = in_batches(
            [rows[position] for position in order], TEXT_BATCH, self.dim, self._text_features
        )
        matrix = np.empty_like(encoded)
        matrix[order] = encoded
        return matrix

    def encode_images(self, images: Sequence[Image.Image]) -> FloatMatrix:
        return in_batches(images, IMAGE_BATCH, self.dim, self._image_features)

    def is_truncated(self, text: str) -> bool:
        with self._tokenizer_lock:
            tokens = self._tokenizer([text], truncation=False, verbose=False)["input_ids"][0]
        return len(tokens) > self._max_tokens

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        with self._tokenizer_lock:
            rows: list[list[int]] = self._tokenizer(
                list(texts), truncation=True, max_length=self._max_tokens, verbose=False
            )["input_ids"]
        return rows

    def _text_features(self, rows: Sequence[list[int]]) -> torch.Tensor:
        import torch

        # Attention is causal and the text's vector is read at its first end token, so what
        # follows changes nothing: padding to the longest of the batch is as good as to 77.
        longest = max(len(row) for row in rows)
        padding = self._tokenizer.pad_token_id
        ids = torch.tensor([row + [padding] * (longest - len(row)) for row in rows])
        with torch.inference_mode():
            output = self._model.get_text_features(input_ids=ids.to(self._runtime.device))
        features: torch.Tensor = output.pooler_output
        return features

    def _image_features(self, images: Sequence[Image.Image]) -> torch.Tensor:
        import torch

        squares = [square(image, self.image_size) for image in images]
        with torch.inference_mode():
            output = self._model.get_image_features(
                pixel_values=pixels(squares, self._mean, self._std, self._runtime)
            )
        features: torch.Tensor = output.pooler_output
        return features


def load_encoder(
    reference: str | Path, *, device: str = "auto", precision: Precision = "auto"
) -> Encoder:
    """Load the encoder that a reference names.

    Args:
        reference: ``starter``; a folder written by :mod:`mlcore.checkpoints` or by transformers;
            or a name on the Hugging Face hub, with ``@revision`` after it where one is meant. The
            local cache of the hub is asked first and the network only for what is not there.
        device: ``auto`` for the best there is, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        precision: ``auto``: bfloat16 where the device computes in it, float32 elsewhere.

    Raises:
        ModelUnavailableError: there is no such model, it cannot be reached, it is not of the CLIP
            kind, or it has no safetensors. No other model is ever taken in its place.
        CheckpointError: a folder of :mod:`mlcore.checkpoints` is damaged.
    """
    name = str(reference)
    if name == STARTER:
        return StarterEncoder.load(device=device, precision=precision)
    folder = Path(reference).expanduser()
    if folder.is_dir():
        return _load_folder(folder, name, device, precision)
    match = _HUB_NAME.fullmatch(name)
    if isinstance(reference, Path) or folder.exists() or match is None or name.startswith("."):
        raise ModelUnavailableError(
            f"There is no model {name!r}: it is not a folder on this machine, nor 'starter', nor "
            "a hub name such as openai/clip-vit-base-patch32."
        )
    snapshot = _hub_snapshot(match["name"], match["revision"])
    return ClipEncoder.load(snapshot, name=name, device=device, precision=precision)


def _load_folder(folder: Path, name: str, device: str, precision: Precision) -> Encoder:
    if is_checkpoint(folder):
        checkpoint = verify_checkpoint(folder)
        if checkpoint.kind == STARTER:
            return StarterEncoder.load(folder, name=name, device=device, precision=precision)
        if checkpoint.kind != "clip":
            raise ModelUnavailableError(
                f"The checkpoint {name} is of the kind {checkpoint.kind!r}, which this version "
                "cannot load; choose a CLIP or a starter checkpoint."
            )
    return ClipEncoder.load(folder, name=name, device=device, precision=precision)


def _require_clip(directory: Path, name: str) -> list[Path]:
    """Check that a folder holds a CLIP configuration and safetensors; return the weight files."""
    if not (directory / CONFIG).is_file():
        raise ModelUnavailableError(
            f"{name} is not a model folder: it has no {CONFIG}. Point to a folder that "
            "transformers or this program saved."
        )
    try:
        kind = read_json(directory / CONFIG).get("model_type")
    except CheckpointError as error:
        raise ModelUnavailableError(f"{name}: {error}.") from error
    if kind != "clip":
        raise ModelUnavailableError(
            f"{name} is a model of the type {kind!r} and not CLIP; choose a checkpoint whose "
            f"{CONFIG} has the model_type 'clip'."
        )
    weights = sorted(directory.glob("*.safetensors"))
    if not weights:
        raise ModelUnavailableError(
            f"{name} has no weights in the safetensors format, and pickled weights (.bin, .pt) are "
            "never read because they can run code; convert them to safetensors on a machine you "
            "can afford to lose."
        )
    return weights


def _load_clip(directory: Path, name: str, runtime: Runtime) -> tuple[Any, Any]:
    transformers = load_transformers()
    try:
        model, report = transformers.CLIPModel.from_pretrained(
            directory,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            dtype=runtime.dtype,
            output_loading_info=True,
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            directory, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:
        # Broken folders make transformers raise nearly anything.
        raise ModelUnavailableError(
            f"{name} cannot be loaded as a CLIP model ({_first_line(error)}); get the whole "
            "checkpoint again, with its tokenizer files."
        ) from error
    if report["missing_keys"]:
        # transformers fills what is missing with random numbers and goes on.
        raise ModelUnavailableError(
            f"{name} lacks {len(report['missing_keys'])} of the weights its {CONFIG} speaks of, "
            f"for example {min(report['missing_keys'])}; get the whole checkpoint again."
        )
    end = model.config.text_config.eos_token_id
    # Checkpoints from before transformers 4.31 say 2 and are pooled at the highest token instead.
    if end != 2 and end not in tokenizer("a")["input_ids"]:
        raise ModelUnavailableError(
            f"The tokenizer of {name} does not belong to its model: it never writes the end token "
            f"{end}; get the whole checkpoint again."
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.eval().to(runtime.device), tokenizer


def _clip_preprocessing(directory: Path, image_size: int) -> dict[str, Any]:
    """Say how a picture becomes numbers; part of the fingerprint."""
    path = directory / "preprocessor_config.json"
    stored = read_json(path) if path.is_file() else {}
    return {
        "crop": "centre square, then bicubic",
        "size": image_size,
        "mean": list(stored.get("image_mean") or _CLIP_MEAN),
        "std": list(stored.get("image_std") or _CLIP_STD),
    }


def _clip_fingerprint(
    directory: Path, weights: Sequence[Path], preprocessing: dict[str, Any]
) -> str:
    tokenizer = [
        path
        for name in ("tokenizer.json", "vocab.json", "merges.txt")
        if (path := directory / name).is_file()
    ]
    made_from = {
        "files": {
            path.name: file_sha256(path) for path in [*weights, directory / CONFIG, *tokenizer]
        },
        "preprocessing": preprocessing,
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def _hub_snapshot(name: str, revision: str | None) -> Path:
    """Return the local folder of a hub model, downloading what is not in the cache yet.

    The repository of CLIP ViT-B/32 itself has a pickle only. Its safetensors are on a branch that
    the hub's own conversion robot opened; that branch is taken where the main one has none, under
    the rules by which transformers takes it.
    """
    cached = _cached_snapshot(name, revision)
    if cached is not None:
        return cached
    from huggingface_hub import get_repo_discussions, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    def download(branch: str | None) -> Path:
        return Path(
            snapshot_download(
                name,
                revision=branch,
                allow_patterns=list(_HUB_FILES),
                etag_timeout=NETWORK_TIMEOUT_S,
            )
        )

    try:
        snapshot = download(revision)
        if revision is None and not any(snapshot.glob("*.safetensors")):
            for proposal in get_repo_discussions(
                name, author=_CONVERSION_AUTHOR, discussion_type="pull_request"
            ):
                # Anybody may open a proposal of this title; the filter above is only a request.
                if (
                    proposal.author == _CONVERSION_AUTHOR
                    and proposal.title == _CONVERSION_TITLE
                    and proposal.status == "open"
                ):
                    return download(proposal.git_reference)
    except GatedRepoError as error:
        raise ModelUnavailableError(
            f"The model {name} is only given to people who accepted its terms; accept them on the "
            "hub and set HF_TOKEN."
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ModelUnavailableError(
            f"The hub has no model {name!r}"
            + (f" with the revision {revision!r}" if revision else "")
            + "; check the spelling, or set HF_TOKEN if it is private."
        ) from error
    except (HfHubHTTPError, OSError, OfflineModeIsEnabled, ValueError) as error:
        raise ModelUnavailableError(
            f"The model {name} is not in the local cache and the hub cannot be reached "
            f"({_first_line(error)}); connect to the network once, copy the model into a folder "
            "and name that folder, or use 'starter'."
        ) from error
    return snapshot


def _cached_snapshot(name: str, revision: str | None) -> Path | None:
    """Find a whole copy of a hub model in the local cache, without touching the network."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return None
    for repository in repositories:
        if repository.repo_id != name or repository.repo_type != "model":
            continue
        for found in sorted(repository.revisions, key=lambda one: "main" not in one.refs):
            wanted = (
                revision in {*found.refs, found.commit_hash}
                if revision
                else any(ref == "main" or ref.startswith("refs/pr/") for ref in found.refs)
            )
            names = {file.file_name for file in found.files}
            if (
                wanted
                and CONFIG in names
                and any(file.endswith(".safetensors") for file in names)
                and names & {"tokenizer.json", "vocab.json"}
            ):
                return found.snapshot_path
    return None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".:")
