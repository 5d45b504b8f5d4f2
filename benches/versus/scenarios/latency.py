"""A long way between two hosts: whether the link is filled all the same."""

from __future__ import annotations

import sys
from pathlib import Path

import share
from clients import some
from clients.bittorrent import PORT as BITTORRENT_PORT
from clients.curl import PORT as CURL_PORT
from clients.swarm import PORT, TRACKER_PORT
from hosts import Host, Hosts
from model import Options, Plan, Reference
from process import Process, Processes
from transfer import Transfer

MIB = 1024
LINK_MBIT = 1000
ROUND_TRIP_S = 0.1
HELPER = Path(__file__).parent.parent / "helpers" / "delay_relay.py"


def plan(options: Options) -> Plan:
    """Through a relay that holds back what it passes on, over links of 1 Gbit/s. Each of the two
    connections is short, so this is about windows of requests and not about TCP's."""
    data = share.make_file(options.memory / "source", options.size(MIB))
    cases = [
        Transfer(
            client,
            data,
            options.memory / "run",
            options.conditions,
            shape=_shape,
            relay=_relay,
        ).case()
        for client in some(options, "swarm-plain", "swarm", "libtorrent", "curl")
    ]
    bound = data.size * 8 / (LINK_MBIT * 1e6)
    about = (
        f"{data.size >> 20} MiB from one host to one other at {LINK_MBIT} Mbit/s and "
        f"{ROUND_TRIP_S * 1000:.0f} ms of round trip. The link needs {bound:.2f} s: the bound."
    )
    # curl asks once: what the relay and the heads of packets leave of the link.
    references = [Reference("÷ bound", bound), Reference("÷ curl", "curl")]
    return Plan(about, cases, references, data.size)


def _shape(hosts: Hosts) -> None:
    for host in hosts.all:
        hosts.shape(host, LINK_MBIT, LINK_MBIT)


def _relay(processes: Processes, on: Host, to: Host, state: Path) -> Process:
    one_way_s = ROUND_TRIP_S / 2
    # As much as a link with a buffer of one more round trip has under way.
    in_flight = int(LINK_MBIT * 1e6 / 8 * one_way_s * 2)
    ports = [str(port) for port in (PORT, TRACKER_PORT, BITTORRENT_PORT, CURL_PORT)]
    pipe = (str(one_way_s), str(in_flight))
    command = on.command(sys.executable, HELPER, on.ip, to.ip, *pipe, *ports)
    return processes.start(command, state / "log", {"ready": "^ready$"})
