"""What makes vectors of words, and how often."""

from collections.abc import Sequence

import numpy as np
import pytest

from gallery.models import SentenceModel
from mlcore.config import FloatMatrix
from mlcore.encoders.batches import JointVectors
from search.readers import query_vectors, readers_of
from tests.encoders import ColourEncoder
from tests.sentences import WordsEncoder

pytestmark = pytest.mark.django_db


class SharingEncoder(ColourEncoder):
    """Colours, by an encoder whose text tower is that of the encoder of sentences."""

    def __init__(self, sentences: WordsEncoder) -> None:
        super().__init__()
        self.sentence_fingerprint = sentences.fingerprint
        self.read: list[str] = []
        self._sentences = sentences

    def encode_jointly(self, texts: Sequence[str]) -> JointVectors:
        self.read += texts
        return JointVectors(self.encode_texts(texts), self._sentences.encode_texts(texts))


@pytest.fixture
def words() -> WordsEncoder:
    return WordsEncoder()


@pytest.fixture
def model(words: WordsEncoder) -> SentenceModel:
    return SentenceModel.objects.for_encoder(words)


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    query_vectors.clear()
    query_vectors.hits = query_vectors.misses = 0


def same(one: FloatMatrix, other: FloatMatrix) -> bool:
    return bool(np.array_equal(one, other))


def test_a_shared_tower_reads_each_text_once(words: WordsEncoder, model: SentenceModel) -> None:
    encoder = SharingEncoder(words)
    reader, questions = readers_of(encoder, model)
    assert questions is not None
    for _ in range(2):
        for texts in (["red"], ["blue", "red"]):
            seen = reader.read(texts, encoder.fingerprint)
            said = questions.reader.read(texts, words.fingerprint, counted=False)
            assert same(seen, encoder.encode_texts(texts))
            assert same(said, words.encode_texts(texts))
    assert encoder.read == ["red", "blue"]
    assert (query_vectors.hits, query_vectors.misses) == (4, 2)


def test_a_text_that_pictures_are_not_asked_for_is_read_for_captions(
    words: WordsEncoder, model: SentenceModel
) -> None:
    encoder = SharingEncoder(words)
    _, questions = readers_of(encoder, model)
    assert questions is not None
    said = questions.reader.read(["red"], words.fingerprint)
    assert same(said, words.encode_texts(["red"]))


def test_another_encoder_of_sentences_reads_for_itself(
    words: WordsEncoder, model: SentenceModel
) -> None:
    encoder = SharingEncoder(WordsEncoder("others"))
    reader, questions = readers_of(encoder, model)
    assert questions is not None
    assert same(reader.read(["red"], encoder.fingerprint), encoder.encode_texts(["red"]))
    said = questions.reader.read(["red"], words.fingerprint)
    assert same(said, words.encode_texts(["red"]))
    assert not encoder.read


def test_without_captions_nothing_reads_for_them() -> None:
    encoder = ColourEncoder()
    reader, questions = readers_of(encoder, None)
    assert questions is None
    assert same(reader.read(["red"], encoder.fingerprint), encoder.encode_texts(["red"]))
