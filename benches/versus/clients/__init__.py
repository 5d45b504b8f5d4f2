"""The clients that are compared. Each file says how one of them is started and what it says when it
is ready and done; `base.py` is what they have in common."""

from __future__ import annotations

from clients.aria2 import Aria2
from clients.base import Client
from clients.curl import Curl
from clients.libtorrent import Libtorrent
from clients.rqbit import Rqbit
from clients.swarm import Swarm
from clients.transmission import Transmission
from model import Options


def everyone(options: Options) -> list[Client]:
    """All clients that the command line allows, ours first."""
    clients: list[Client] = [
        Swarm(options.swarm, "plain"),
        Swarm(options.swarm, "tls"),
        Libtorrent(),
        Aria2(),
        Transmission(),
        Rqbit(),
        Curl(),
    ]
    return [client for client in clients if options.wants(client.name)]


def some(options: Options, *names: str) -> list[Client]:
    """Those of them that a scenario is about."""
    return [client for client in everyone(options) if client.name in names]
