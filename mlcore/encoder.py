"""Encoders turn pictures and sentences into unit vectors of one space.

:func:`load_encoder` finds the model that a reference names: the starter, a folder, or a name on
the Hugging Face hub. Weights are read from safetensors only and no code of a checkpoint is run.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from mlcore.checkpoints import (
    CONFIG,
    Checkpoint,
    file_sha256,
    is_checkpoint,
    read_json,
    tensors_sha256,
    verify_checkpoint,
)
from mlcore.compiled import Traceable, openvino_version
from mlcore.compiled_encoder import (
    IMAGE,
    TEXT,
    About,
    CompiledEncoder,
    CompiledPrecision,
    keep_compiled,
    open_compiled,
)
from mlcore.config import FloatMatrix
from mlcore.errors import CheckpointError, ModelUnavailableError
from mlcore.images import square
from mlcore.packing import packed_reader
from mlcore.runtime import (
    Library,
    Precision,
    Runtime,
    by_length,
    choose_library,
    choose_precision,
    choose_runtime,
    in_batches,
    load_transformers,
    multiplies_bytes,
    pixels,
    processor_precision,
)
from mlcore.starter import HEADS, STARTER, StarterEncoder, starter_fingerprint

if TYPE_CHECKING:
    import torch
    from PIL import Image

logger = logging.getLogger(__name__)

IMAGE_BATCH = 32
"""Pictures encoded at once: larger batches are no faster on a CPU and take more memory."""

COMPILED_IMAGE_BATCH = 16
"""Pictures that OpenVINO encodes at once."""

TEXT_BATCH = 64
"""Texts encoded at once."""

NETWORK_TIMEOUT_S = 5.0
"""Seconds to wait for the hub to answer; a file that is coming may take as long as it needs."""

# Radford et al. 2021: what the pictures of every published CLIP were normalised with.
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

_MISNAMED_END = 2
"""The token that configurations of early checkpoints, as those of OpenAI, name by mistake."""

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
    def image_fingerprint(self) -> str:
        """sha256 of all that decides a picture's vector; training on words alone keeps it.

        Stored vectors of pictures are valid for every encoder with the same one.
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
        directory: Path,
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
        self._preprocessing = preprocessing
        self._directory = directory
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
        model, tokenizer = load_clip(directory, name, runtime)
        preprocessing = clip_preprocessing(directory, model.config.vision_config.image_size)
        return cls(
            name=name,
            model=model,
            tokenizer=tokenizer,
            preprocessing=preprocessing,
            fingerprint=_clip_fingerprint(directory, weights, preprocessing),
            runtime=runtime,
            directory=directory,
        )

    @cached_property
    def image_fingerprint(self) -> str:
        # Read only when asked for: it costs a look at every vision weight.
        return _clip_image_fingerprint(self._directory, self._preprocessing)

    @property
    def runtime(self) -> str:
        return str(self._runtime)

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        return by_length(self._tokenize(texts), TEXT_BATCH, self.dim, self._text_features)

    def encode_images(self, images: Sequence[Image.Image]) -> FloatMatrix:
        return in_batches(images, IMAGE_BATCH, self.dim, self._image_features)

    def is_truncated(self, text: str) -> bool:
        with self._tokenizer_lock:
            tokens = self._tokenizer([text], truncation=False, verbose=False)["input_ids"][0]
        return len(tokens) > self._max_tokens

    def about(self) -> About:
        """As :class:`mlcore.compiled_encoder.Original`."""
        return About(
            dim=self.dim,
            image_size=self.image_size,
            max_tokens=self._max_tokens,
            end=_end_token(self._model, self._tokenizer),
            fingerprint=self.fingerprint,
            image_fingerprint=self.image_fingerprint,
            tokenizer=self._tokenizer.backend_tokenizer.to_str(),
            image_batch=COMPILED_IMAGE_BATCH,
        )

    def networks(self) -> dict[str, Traceable]:
        """As :class:`mlcore.compiled_encoder.Original`."""
        import torch
        from torch import nn

        model = self._model
        mean = torch.tensor(self._mean).view(1, 3, 1, 1)
        std = torch.tensor(self._std).view(1, 3, 1, 1)

        class Sees(nn.Module):
            def forward(self, squares: torch.Tensor) -> torch.Tensor:
                grid = (squares.permute(0, 3, 1, 2).float() - mean) / std
                seen: torch.Tensor = model.get_image_features(pixel_values=grid).pooler_output
                return seen

        def reads(ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            states: torch.Tensor = model.text_model(ids, mask, positions).last_hidden_state
            return states

        for parameter in model.parameters():
            parameter.requires_grad_(False)
        squares = torch.zeros(2, self.image_size, self.image_size, 3, dtype=torch.uint8)
        return {
            IMAGE: Traceable(
                Sees(),
                {"squares": squares},
                {"squares": (0,)},
                probe=(_made_up_pictures(self.image_size),),
            ),
            TEXT: packed_reader(reads, model.text_projection, causal=True),
        }

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


def _end_token(model: Any, tokenizer: Any) -> int:
    """The token at whose first place the model reads a sentence."""
    end: int = model.config.text_config.eos_token_id
    # For those, transformers takes the highest number of a row, which is CLIP's end token.
    return tokenizer.eos_token_id if end == _MISNAMED_END else end


def _made_up_pictures(side: int) -> torch.Tensor:
    """Pictures to try a network on: stains of several sizes, uint8 (n, side, side, 3)."""
    import torch

    generator = torch.Generator().manual_seed(0)
    grains = (torch.rand(8, 3, grain, grain, generator=generator) for grain in (3, 9, 27))
    stains = [
        torch.nn.functional.interpolate(grain, size=side, mode="bicubic").clamp(0, 1)
        for grain in grains
    ]
    return (255 * torch.cat(stains)).byte().permute(0, 2, 3, 1).contiguous()


def load_encoder(
    reference: str | Path,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    library: Library | None = None,
) -> Encoder:
    """Load the encoder that a reference names.

    Args:
        reference: ``starter``; a folder written by :mod:`mlcore.checkpoints` or by transformers;
            or a name on the Hugging Face hub, with ``@revision`` after it where one is meant. The
            local cache of the hub is asked first and the network only for what is not there.
        device: ``auto`` for the best there is, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        precision: ``auto``: what :func:`mlcore.runtime.choose_precision` says, and where that is
            ``auto`` too, int8 where the processor is fastest in it and the model bears it, else
            bfloat16 where the device computes in it, else float32.
        library: ``openvino`` or ``torch``; what :func:`mlcore.runtime.choose_library` says when
            None.

    Raises:
        ModelUnavailableError: there is no such model, it cannot be reached, it is not of the CLIP
            kind, or it has no safetensors. No other model is ever taken in its place.
        CheckpointError: a folder of :mod:`mlcore.checkpoints` is damaged.
    """
    precision = choose_precision(precision)
    found = find_model(reference)
    if (library or choose_library(device)) == "openvino":
        return _compiled(found, precision)
    return _in_torch(found, device, precision)


def _in_torch(found: FoundModel, device: str, precision: Precision) -> StarterEncoder | ClipEncoder:
    loader = StarterEncoder if found.kind == STARTER else ClipEncoder
    return loader.load(found.directory, name=found.name, device=device, precision=precision)


def _compiled(found: FoundModel, precision: Precision) -> CompiledEncoder:
    place = found.directory, model_fingerprint(found), _on_this_processor(precision)
    opened = open_compiled(found.name, *place)
    if opened is None:
        logger.info("Compiling %s for this processor; this is done once.", found.name)
        _compile_apart(found.directory)
        opened = open_compiled(found.name, *place)
    if opened is None:
        raise CheckpointError(f"The compiled {found.name} does not read back.")
    return opened


def _on_this_processor(precision: Precision) -> CompiledPrecision:
    if precision == "auto":
        return "int8" if multiplies_bytes() else processor_precision()
    if precision == "int8" and not multiplies_bytes():
        raise ModelUnavailableError(
            "This processor has no instructions for int8 (VNNI); use 'auto', bfloat16 or float32."
        )
    return precision


def _compile_apart(folder: Path) -> None:
    """Compile in a process of its own: torch and a float32 copy of the model take a gigabyte, which
    a process that goes on to answer queries would never give back."""
    done = subprocess.run(  # noqa: S603 - no shell, and no part of it comes from outside
        [sys.executable, "-m", "mlcore", "compile", str(folder.absolute())],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode < 0:
        raise ModelUnavailableError(
            f"Compiling {folder} was ended by signal {-done.returncode}; it takes 2 GB of memory "
            "for a ViT-B/32. Give this machine more, or set CONTEXTVISION_RUNTIME=torch."
        )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason was given"]
        raise ModelUnavailableError(f"{folder} cannot be compiled: {said[-1]}")


def compile_model(reference: str | Path) -> Path:
    """Compile a model for processors and keep it, so that the first who loads it need not wait.

    One that is kept already, by this version of OpenVINO, is left as it is.

    Args:
        reference: as for :func:`load_encoder`.

    Returns:
        The folder of its checkpoint, beside or in which it is kept.

    Raises:
        ModelUnavailableError: as :func:`load_encoder`; or OpenVINO is not installed.
        CheckpointError: as :func:`load_encoder`; or it can be kept nowhere.
    """
    if openvino_version() is None:
        raise ModelUnavailableError(
            "OpenVINO is not installed, so there is nothing to compile for; models run on torch."
        )
    found = find_model(reference)
    known = found.name, found.directory, model_fingerprint(found), _on_this_processor("auto")
    if open_compiled(*known) is None:
        keep_compiled(found.directory, _in_torch(found, "cpu", "float32"))
    return found.directory


@dataclass(frozen=True, slots=True)
class FoundModel:
    """Where the model that a reference names lies on this machine."""

    name: str
    """The reference."""
    kind: Literal["starter", "clip"]
    directory: Path
    checkpoint: Checkpoint | None = None
    """What was verified of the folder; None where it is as transformers writes it."""


def find_model(reference: str | Path) -> FoundModel:
    """Find the folder of a model, getting it from the hub where the name is one of the hub.

    Raises:
        ModelUnavailableError: as :func:`load_encoder`.
        CheckpointError: as :func:`load_encoder`.
    """
    name = str(reference)
    if name == STARTER:
        return _found(name, HEADS)
    folder = Path(reference).expanduser()
    if folder.is_dir():
        return _found(name, folder)
    match = _HUB_NAME.fullmatch(name)
    if isinstance(reference, Path) or folder.exists() or match is None or name.startswith("."):
        raise ModelUnavailableError(
            f"There is no model {name!r}: it is not a folder on this machine, nor 'starter', nor "
            "a hub name such as openai/clip-vit-base-patch32."
        )
    return FoundModel(name, "clip", _hub_snapshot(match["name"], match["revision"]))


def model_fingerprint(found: FoundModel) -> str:
    """Return what :attr:`Encoder.fingerprint` will be, without loading the model.

    Raises:
        ModelUnavailableError: the folder does not hold a CLIP model in safetensors.
        CheckpointError: the folder is damaged.
    """
    if found.kind == STARTER:
        checkpoint = found.checkpoint or verify_checkpoint(found.directory)
        return starter_fingerprint(checkpoint.weights_sha256)
    weights = _require_clip(found.directory, found.name)
    vision = read_json(found.directory / CONFIG).get("vision_config") or {}
    preprocessing = clip_preprocessing(found.directory, vision.get("image_size", 224))
    known = found.checkpoint.files if found.checkpoint else {}
    return _clip_fingerprint(found.directory, weights, preprocessing, known)


def _found(name: str, folder: Path) -> FoundModel:
    """Look into a folder on this machine; a checkpoint is verified."""
    if not is_checkpoint(folder):
        return FoundModel(name, "clip", folder)
    checkpoint = verify_checkpoint(folder)
    if checkpoint.kind == "starter":
        return FoundModel(name, "starter", folder, checkpoint)
    if checkpoint.kind == "clip":
        return FoundModel(name, "clip", folder, checkpoint)
    raise ModelUnavailableError(
        f"The checkpoint {name} is of the kind {checkpoint.kind!r}, which this version cannot "
        "load; choose a CLIP or a starter checkpoint."
    )


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


def load_clip(directory: Path, name: str, runtime: Runtime) -> tuple[Any, Any]:
    """Load model and tokenizer of a folder as transformers writes it.

    Raises:
        ModelUnavailableError: the folder does not hold a whole CLIP model.
    """
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


def clip_preprocessing(directory: Path, image_size: int) -> dict[str, Any]:
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
    directory: Path,
    weights: Sequence[Path],
    preprocessing: dict[str, Any],
    known: Mapping[str, str] | None = None,
) -> str:
    """``known`` are sums, by file name, that need not be worked out again."""
    sums = known or {}
    tokenizer = [
        path
        for name in ("tokenizer.json", "vocab.json", "merges.txt")
        if (path := directory / name).is_file()
    ]
    made_from = {
        "files": {
            path.name: sums.get(path.name) or file_sha256(path)
            for path in [*weights, directory / CONFIG, *tokenizer]
        },
        "preprocessing": preprocessing,
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def _clip_image_fingerprint(directory: Path, preprocessing: dict[str, Any]) -> str:
    from safetensors import safe_open

    # What a stored file says of these is a row of numbers; newer files leave it out.
    def decides(name: str) -> bool:
        of_vision = name.startswith(("vision_model.", "visual_projection."))
        return of_vision and not name.endswith("position_ids")

    places: dict[str, Path] = {}
    for path in sorted(directory.glob("*.safetensors")):
        with safe_open(path, framework="pt") as stored:
            places |= {name: path for name in stored.keys() if decides(name)}  # noqa: SIM118

    def vision_weights() -> Iterator[tuple[str, torch.Tensor]]:
        for name in sorted(places):
            with safe_open(places[name], framework="pt") as stored:
                yield name, stored.get_tensor(name)

    heads = read_json(directory / CONFIG).get("vision_config", {}).get("num_attention_heads")
    return tensors_sha256(vision_weights(), {"preprocessing": preprocessing, "heads": heads})


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
