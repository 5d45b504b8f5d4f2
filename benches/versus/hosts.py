"""Hosts made of network namespaces: a switch, and hosts with one cable each, shaped on request.

Everything is inside namespaces of our own prefix, which has our process id in it; nothing is joined
to the outside. What an earlier run left because it was killed is removed by the next one.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

#: Of all names that we make, followed by our process id.
PREFIX = "versus"
#: Every host's cable has this name in its own namespace.
CABLE = "eth0"


def sh(*argv: str | Path) -> str:
    """Runs a command that must succeed; returns what it prints."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, argv))}: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True)
class Host:
    """A namespace with an address."""

    number: int
    namespace: str
    ip: str

    def command(self, *argv: str | Path) -> list[str]:
        """The command that does `argv` on this host. It is the same process: `ip` execs it."""
        return ["ip", "netns", "exec", self.namespace, *map(str, argv)]


class Hosts:
    """Some hosts on one switch, as a context manager."""

    def __init__(self, count: int, congestion: str = "") -> None:
        """So many, with this congestion control; the machine's own if that is empty."""
        self._congestion = congestion
        self._prefix = f"{PREFIX}-{os.getpid()}-"
        self._switch = f"{self._prefix}switch"
        self.all = [
            Host(n, f"{self._prefix}{n}", f"10.77.{n // 200}.{n % 200 + 1}") for n in range(count)
        ]

    def __enter__(self) -> Hosts:
        try:
            sh("ip", "netns", "add", self._switch)
            sh("ip", "-n", self._switch, "link", "add", "br0", "type", "bridge")
            sh("ip", "-n", self._switch, "link", "set", "br0", "up")
            for host in self.all:
                self._add(host)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def _add(self, host: Host) -> None:
        name, port = host.namespace, f"port{host.number}"
        sh("ip", "netns", "add", name)
        peer = ("peer", "name", port, "netns", self._switch)
        sh("ip", "-n", name, "link", "add", CABLE, "type", "veth", *peer)
        sh("ip", "-n", self._switch, "link", "set", port, "master", "br0", "up")
        sh("ip", "-n", name, "addr", "add", f"{host.ip}/16", "dev", CABLE)
        sh("ip", "-n", name, "link", "set", CABLE, "up")
        sh("ip", "-n", name, "link", "set", "lo", "up")
        if self._congestion:
            setting = f"net.ipv4.tcp_congestion_control={self._congestion}"
            sh("ip", "netns", "exec", name, "sysctl", "-qw", setting)
        # Some clients look for the interface of the default route.
        sh("ip", "-n", name, "route", "add", "default", "dev", CABLE)

    def shape(self, host: Host, up_mbit: float | None, down_mbit: float | None) -> None:
        """Bounds what the host sends and what it receives."""
        if up_mbit:
            _token_bucket(host.namespace, CABLE, up_mbit)
        if down_mbit:
            _token_bucket(self._switch, f"port{host.number}", down_mbit)

    def _remove(self) -> None:
        for name in _namespaces():
            if name.startswith(self._prefix):
                subprocess.run(["ip", "netns", "del", name], check=False)


def _token_bucket(namespace: str, device: str, mbit: float) -> None:
    # 10 ms of tokens, and room for half a full-size segmentation offload at low rates.
    burst = max(32 * 1024, int(mbit * 1e6 / 8 / 100))
    bucket = ("tbf", "rate", f"{mbit}mbit", "burst", str(burst), "latency", "100ms")
    sh("tc", "-n", namespace, "qdisc", "replace", "dev", device, "root", *bucket)


def _namespaces() -> list[str]:
    return [line.split()[0] for line in sh("ip", "netns", "list").splitlines() if line]


def is_left_over(name: str) -> bool:
    """Whether the name has our prefix and the number of a process that is gone."""
    ours = re.match(rf"{PREFIX}-(\d+)(-|$)", name)
    return ours is not None and not Path(f"/proc/{ours[1]}").exists()


def remove_leftovers() -> None:
    """Removes the namespaces of runs whose process is gone, and ends what still runs in them."""
    for name in _namespaces():
        if not is_left_over(name):
            continue
        for pid in sh("ip", "netns", "pids", name).split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        subprocess.run(["ip", "netns", "del", name], check=False)
