"""Runs a real Milvus server that only the holder of one socket can reach.

Milvus 2.3 listens on every address of the machine, whatever its configuration says. So it gets a
network of its own (``unshare --net``), in which only this program can reach it, and this program
passes on what arrives at a listener that it inherited from outside: one bound to 127.0.0.1.

Usage: unshare --net --pid --fork --kill-child python boxed_milvus.py FOLDER LISTENER
Writes ``ready`` and runs until its standard input ends.
"""

import fcntl
import socket
import struct
import sys
import threading
from contextlib import suppress

SIOCSIFFLAGS = 0x8914  # linux/sockios.h
IFF_UP = 1
MILVUS = ("127.0.0.1", 19530)


def raise_loopback() -> None:
    """A new network has a loopback, but it is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


def pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # either side may hang up at any time
        while data := source.recv(1 << 16):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def serve(listener: socket.socket) -> None:
    while True:
        outside, _ = listener.accept()
        inside = socket.create_connection(MILVUS)
        for pair in ((outside, inside), (inside, outside)):
            for end in pair:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=pass_on, args=pair, daemon=True).start()


def main(folder: str, listener: int) -> None:
    from milvus import MilvusServer, MilvusServerConfig

    raise_loopback()
    server = MilvusServer(MilvusServerConfig())
    server.set_base_dir(folder)
    server.config.set("authorization_enabled", True)
    server.start()
    threading.Thread(
        target=serve, args=(socket.socket(fileno=listener),), name="relay", daemon=True
    ).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
