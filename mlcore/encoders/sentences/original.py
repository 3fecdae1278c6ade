"""A model of sentences in torch: to encode with on a graphics card, and to be compiled."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcore.config import FloatMatrix
from mlcore.encoders.openvino.compiled import Traceable
from mlcore.encoders.openvino.packing import packed_reader
from mlcore.encoders.openvino.padding import pad, padded_reader
from mlcore.encoders.runtime import Runtime, first_line, load_pretrained, load_transformers
from mlcore.encoders.sentences.base import Rows, SentenceAbout
from mlcore.encoders.sentences.folder import SentenceModel
from mlcore.errors import ModelUnavailableError

if TYPE_CHECKING:
    import torch

_PACKABLE = ("bert",)
"""Types of transformers that take a place for each token, and for each a list of those it sees."""


class OriginalSentences:
    """A model of sentences as its folder has it.

    Raises:
        ModelUnavailableError: the folder does not hold a whole model.
    """

    def __init__(self, found: SentenceModel, runtime: Runtime) -> None:
        self.runtime = runtime
        self._found = found
        found.weights()
        transformers = load_transformers()
        try:
            model, report = load_pretrained(
                "AutoModel", found.transformer, dtype=runtime.dtype, output_loading_info=True
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                found.transformer, trust_remote_code=False, local_files_only=True
            )
            self._tokenizer: str = tokenizer.backend_tokenizer.to_str()
        except Exception as error:
            # Broken folders make transformers raise nearly anything.
            raise ModelUnavailableError(
                "sentences.incomplete", name=found.name, reason=first_line(error)
            ) from error
        # A pooler stands behind the tokens, which are all that is read.
        missing = sorted(name for name in report["missing_keys"] if "pooler." not in name)
        if missing:
            raise ModelUnavailableError(
                "clip.missing_weights", name=found.name, number=len(missing), example=missing[0]
            )
        self._model = model.eval().to(runtime.device)

    def about(self) -> SentenceAbout:
        """Say what an encoder needs to know of the model."""
        return SentenceAbout(
            **asdict(self._found.settings),
            dim=int(self._model.config.hidden_size),
            packed=self._packed,
            fingerprint=self._found.fingerprint(),
            tokenizer=self._tokenizer,
        )

    @property
    def _packed(self) -> bool:
        kind = self._model.config.model_type
        return kind in _PACKABLE and self._found.settings.pooling != "last"

    def network(self) -> Traceable:
        """Return what makes vectors of :class:`PackedTexts`, or of what :func:`pad` returns."""
        for parameter in self._model.parameters():
            parameter.requires_grad_(False)
        if not self._packed:
            return padded_reader(self._reader())

        def tower(ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            states: torch.Tensor = self._model(
                ids, attention_mask=mask, position_ids=positions
            ).last_hidden_state
            return states

        return packed_reader(tower, lambda read: read, causal=False)

    def read(self, rows: Rows) -> FloatMatrix:
        """Return the vectors of tokenized sentences, float32 (n, dim), of any length."""
        import torch

        inputs = [torch.from_numpy(array).to(self.runtime.device) for array in pad(rows).values()]
        with torch.inference_mode():
            vectors: FloatMatrix = self._reader()(*inputs).cpu().numpy().astype(np.float32)
        return vectors

    def _reader(self) -> Any:
        import torch

        model, pooling = self._model, self._found.settings.pooling

        class Reader(torch.nn.Module):
            def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
                states = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
                if pooling == "cls":
                    first: torch.Tensor = states[:, 0]
                    return first
                chosen = mask
                if pooling == "last":
                    place = torch.arange(ids.shape[1], device=ids.device)
                    chosen = (place == mask.sum(1, keepdim=True) - 1).long()
                total: torch.Tensor = (states * chosen[..., None]).sum(1)
                return total / chosen.sum(1, keepdim=True)

        return Reader()
