"""The limited process in which untrusted pictures are decoded; :mod:`.sandbox` starts it.

It reads requests from the socket that is its standard input and answers each on the same socket,
until the other end is closed. A message is a JSON object and a run of bytes. Nothing is unpickled
on either side: a picture that took this process over could otherwise take over its parent too.
"""

import contextlib
import json
import math
import os
import resource
import signal
import socket
import struct
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlcore.config import ImageLimits

_HEAD = struct.Struct("!II")  # bytes of JSON, bytes after it
MAX_JSON = 1 << 20


class Disconnected(Exception):  # noqa: N818 - an end, not a failure
    """The other end of the socket is closed."""


def send(
    connection: socket.socket,
    content: dict[str, Any],
    body: bytes = b"",
    deadline: float = math.inf,
) -> None:
    """Send one message; ``deadline`` is a moment of ``time.monotonic``, after it TimeoutError."""
    text = json.dumps(content).encode()
    for part in (_HEAD.pack(len(text), len(body)) + text, body):
        _wait_until(connection, deadline)
        connection.sendall(part)


def receive(
    connection: socket.socket, max_body: int, deadline: float = math.inf
) -> tuple[dict[str, Any], bytes]:
    """Return one message.

    Raises:
        Disconnected: the other end is gone.
        TimeoutError: the deadline, a moment of ``time.monotonic``, has passed.
        ValueError: what came is not a message of this kind.
    """
    text_size, body_size = _HEAD.unpack(_exactly(connection, _HEAD.size, deadline))
    if text_size > MAX_JSON or body_size > max_body:
        raise ValueError("the message is too long")
    content = json.loads(_exactly(connection, text_size, deadline))
    if not isinstance(content, dict):
        raise ValueError("the message is not an object")
    return content, _exactly(connection, body_size, deadline)


def _exactly(connection: socket.socket, count: int, deadline: float) -> bytes:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        # Each time anew: an end that sends byte by byte must not win more time with each.
        _wait_until(connection, deadline)
        got = connection.recv_into(view)
        if not got:
            raise Disconnected
        view = view[got:]
    return bytes(data)


def _wait_until(connection: socket.socket, deadline: float) -> None:
    if math.isinf(deadline):
        connection.settimeout(None)
    else:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))


def main(memory_bytes: int, task_seconds: float) -> None:
    """Answer requests on the inherited socket until it closes, within these limits."""
    _limit("RLIMIT_AS", memory_bytes)
    _limit("RLIMIT_CORE", 0)
    # After the limits, and for the parent to know that the imports worked.
    from mlcore.imaging import decode, renditions  # noqa: F401

    _silence_libraries()
    connection = socket.socket(fileno=sys.stdin.fileno())
    with contextlib.suppress(Disconnected, ConnectionError):
        send(connection, {"ready": True})
        while True:
            request, data = receive(connection, max_body=2**32)
            # From here on the picture is to blame for whatever happens.
            send(connection, {"taken": True})
            # The parent kills this process first; the timer is for when the parent is gone.
            signal.setitimer(signal.ITIMER_REAL, 1.5 * task_seconds)
            answer, body = _answer(request, data)
            signal.setitimer(signal.ITIMER_REAL, 0)
            send(connection, answer, body)


def _silence_libraries() -> None:
    """Keep what libtiff writes about damaged files out of the log; Python still writes there."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 2)


def _answer(request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the answer; "spent" in it asks the parent to replace this process."""
    from mlcore.errors import ImageRejectedError

    try:
        return _carry_out(request, data)
    except ImageRejectedError as error:
        answer: dict[str, Any] = {"rejected": (error.reason.code, dict(error.reason.params))}
        # What memory is left after such a failure is in pieces.
        return answer | ({"spent": True} if isinstance(error.__context__, MemoryError) else {}), b""
    except MemoryError:
        return {"rejected": ("image.too_much_memory", {}), "spent": True}, b""
    except Exception:
        return {"failed": traceback.format_exc()}, b""


def _carry_out(request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    from mlcore.config import ImageLimits
    from mlcore.imaging import renditions
    from mlcore.imaging.decode import decode_image, ends, middle, square

    limits = ImageLimits(**request["limits"])
    if request["do"] == "square":
        side = request["side"]
        decoded = decode_image(data, name="", limits=limits, draft_side=side)
        return {}, square(decoded.image, side).tobytes()
    if request["do"] == "ends":
        side = request["side"]
        decoded = decode_image(data, name="", limits=limits, draft_side=side)
        return {}, b"".join(each.tobytes() for each in ends(decoded.image, side))
    if request["do"] == "middle":
        side = request["side"]
        decoded = decode_image(data, name="", limits=limits, draft_side=side)
        cut = middle(decoded.image, side)
        return {"size": cut.size}, cut.tobytes()
    if request["do"] == "pixels":
        return _pixels(request, data, limits)
    if request["do"] == "rendition":
        side, kind = request["side"], request["kind"]
        decoded = decode_image(data, name="", limits=limits, draft_long_side=side)
        credit = renditions.Credit(**request["credit"])
        return {}, renditions.make_rendition(decoded.image, side, kind, credit)
    if request["do"] == "placeholder":
        whole = decode_image(data, name="", limits=limits).image
        placeholder = renditions.make_placeholder(whole)
        return {"colour": placeholder.dominant_colour}, placeholder.webp
    decoded = decode_image(data, name="", limits=limits, draft_long_side=renditions.DISPLAY_SIDE)
    made = renditions.make_renditions(decoded.image)
    placeholder = renditions.make_placeholder(decoded.image)
    answer = {
        "format": decoded.format,
        "width": decoded.width,
        "height": decoded.height,
        "metadata": decoded.metadata.as_answer(),
        "notes": list(decoded.notes),
        "colour": placeholder.dominant_colour,
        "display": len(made.display),
        "thumbnail": len(made.thumbnail),
    }
    return answer, made.display + made.thumbnail + placeholder.webp


def _pixels(
    request: dict[str, Any], data: bytes, limits: "ImageLimits"
) -> tuple[dict[str, Any], bytes]:
    """Decode several small files; one that is refused has no size."""
    from mlcore.errors import ImageRejectedError
    from mlcore.imaging.decode import decode_image, small

    sizes: list[tuple[int, int]] = []
    pixels: list[bytes] = []
    start = 0
    for length in request["lengths"]:
        try:
            whole = decode_image(data[start : start + length], name="", limits=limits).image
        except ImageRejectedError:
            sizes.append((0, 0))
        else:
            image = small(whole, request["side"])
            sizes.append(image.size)
            pixels.append(image.tobytes())
        start += length
    return {"sizes": sizes}, b"".join(pixels)


def _limit(name: str, value: int) -> None:
    # Not every system has every limit: macOS refuses to limit memory.
    with contextlib.suppress(AttributeError, ValueError, OSError):
        resource.setrlimit(getattr(resource, name), (value, value))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
