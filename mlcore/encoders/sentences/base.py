"""What an encoder of sentences gives, whatever runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from mlcore.config import FloatMatrix
from mlcore.encoders.batches import by_length, in_batches

Pooling: TypeAlias = Literal["mean", "cls", "last"]
"""Of which tokens a sentence's vector is made: the mean of all, the first, or the last."""

Rows: TypeAlias = Sequence[list[int]]
"""Token ids of sentences, at least one of each."""


class SentenceEncoder(Protocol):
    """A model that puts sentences into one vector space. Safe to call from threads."""

    @property
    def name(self) -> str:
        """The reference it was loaded from."""

    @property
    def fingerprint(self) -> str:
        """sha256 of weights, tokenizer and settings, whatever the device or precision.

        Vectors may be compared only when the fingerprints of their encoders are equal.
        """

    @property
    def dim(self) -> int:
        """Width of a vector."""

    @property
    def runtime(self) -> str:
        """Library, precision and device, for people."""

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        """Return float32 (n, dim) unit rows of what is kept, in the order of ``texts``.

        Text longer than the model takes is cut at its end; see :meth:`is_truncated`.

        Raises:
            ModelUnavailableError: the model gave numbers that are not finite.
        """

    def encode_queries(self, texts: Sequence[str]) -> FloatMatrix:
        """As :meth:`encode_texts`, of what is asked: some models have a prompt for each."""

    def is_truncated(self, text: str) -> bool:
        """Tell whether the end of ``text`` is cut off when it is encoded."""


@dataclass(frozen=True, slots=True)
class SentenceAbout:
    """What an encoder of sentences is besides its network."""

    dim: int
    max_tokens: int
    """Of a sentence, those that begin and end it included."""
    pooling: Pooling
    lower: bool
    """Whether sentences are brought to lower case before they are cut into tokens."""
    query_prompt: str
    """What stands before every sentence that is asked; mostly nothing."""
    text_prompt: str
    """What stands before every sentence that is kept; mostly nothing."""
    packed: bool
    """Whether the network takes several sentences in a row, which saves it the padding."""
    fingerprint: str
    tokenizer: str
    """As the tokenizers library serialises it."""


class TokenizedEncoder:
    """Implements :class:`SentenceEncoder` over a function that makes vectors of tokens.

    Args:
        name: the reference.
        about: what it is.
        runtime: what runs it, for people.
        read: takes the tokens of some sentences and returns a vector for each, (n, dim).
        batch: sentences to read at once.
    """

    def __init__(
        self,
        name: str,
        about: SentenceAbout,
        *,
        runtime: str,
        read: Callable[[Rows], FloatMatrix],
        batch: int,
    ) -> None:
        from tokenizers import Tokenizer

        self.name = name
        self.runtime = runtime
        self.dim = about.dim
        self.fingerprint = about.fingerprint
        self._about = about
        self._read = read
        self._batch = batch
        self._tokenizer = Tokenizer.from_str(about.tokenizer)
        self._tokenizer.no_padding()
        # Set once, so that threads may share it: it is the setting that is not safe, not the use.
        self._tokenizer.enable_truncation(about.max_tokens)

    def encode_texts(self, texts: Sequence[str]) -> FloatMatrix:
        return self._encode(self._about.text_prompt, texts)

    def encode_queries(self, texts: Sequence[str]) -> FloatMatrix:
        return self._encode(self._about.query_prompt, texts)

    def is_truncated(self, text: str) -> bool:
        return bool(self._tokenizer.encode(self._said(self._about.text_prompt, text)).overflowing)

    def _encode(self, prompt: str, texts: Sequence[str]) -> FloatMatrix:
        said = [self._said(prompt, text) for text in texts]
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(said)]
        if self._about.packed:
            return in_batches(rows, self._batch, self.dim, self._read)
        return by_length(rows, self._batch, self.dim, self._read)

    def _said(self, prompt: str, text: str) -> str:
        return (prompt + text).lower() if self._about.lower else prompt + text
