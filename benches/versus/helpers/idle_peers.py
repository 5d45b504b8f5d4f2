#!/usr/bin/env python3
"""Connections of peers that have nothing and want nothing, over plain transport.

idle_peers.py SWARM-ID HOST:PORT COUNT

Says "dialling" at once and "connected" when all have shaken hands. Then it does nothing at all:
what the node sends stays in the kernel's buffers, so that only the node's own cost is there.
`docs/protocol.md` has the messages.
"""

from __future__ import annotations

import base64
import os
import socket
import struct
import sys
import time

HELLO, HAVE_NONE = 0x00, 0x21
VERSION = 1
BLOCKS_IN_RUN = 64
RETRY_S = 0.02


def frame(kind: int, body: bytes = b"") -> bytes:
    """A frame, by section 6."""
    return struct.pack("<IB", 1 + len(body), kind) + body


def hello(swarm: bytes) -> bytes:
    """The first frame, by section 7, from a peer that nobody has met."""
    client = b"idle"
    no_features, no_port = b"\0", b"\0"
    request_bytes = b"\xfc" + struct.pack("<I", 1 << 20)
    return frame(
        HELLO,
        bytes([VERSION])
        + swarm
        + os.urandom(32)
        + no_features
        + bytes([len(client)])
        + client
        + no_port
        + request_bytes
        + bytes([BLOCKS_IN_RUN]),
    )


def dial(host: str, port: int) -> socket.socket:
    """Connects, as soon as somebody listens."""
    while True:
        try:
            return socket.create_connection((host, port))
        except ConnectionRefusedError:
            time.sleep(RETRY_S)


def main() -> None:
    """Runs until it is ended."""
    _, swarm_text, address, count = sys.argv
    swarm = base64.b32decode(swarm_text.upper() + "====")
    host, _, port = address.rpartition(":")
    print("dialling", flush=True)
    peers = []
    for _ in range(int(count)):
        # One after the other: a node lets one address have only so many handshakes under way.
        peer = dial(host, int(port))
        peer.sendall(hello(swarm) + frame(HAVE_NONE))
        if not peer.recv(1):
            raise SystemExit("the node has refused a connection")
        peers.append(peer)
    print("connected", flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
