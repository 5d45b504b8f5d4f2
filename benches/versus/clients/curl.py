"""curl from nginx: one source, nothing verified. What a network and two kernels need at least."""

from __future__ import annotations

import subprocess
import time

from clients.base import DONE, Client, Ground, Seat, Serving, first_line, lacking
from hosts import Host
from model import Failed
from process import Process

PORT = 8080
READY_TIMEOUT_S = 10
CONFIG = """
worker_processes 1;
daemon off;
user root;
pid {state}/pid;
error_log {state}/errors;
events {{}}
http {{
    access_log off;
    sendfile on;
    server {{ listen {port}; root {folder}; }}
}}
"""


def _url(host: Host, name: str) -> str:
    return f"http://{host.ip}:{PORT}/{name}"


class Curl(Client):
    """nginx with sendfile, and curl; a single file only."""

    name = "curl"

    def missing(self) -> str:
        return lacking("nginx", "curl")

    def version(self) -> str:
        curl = " ".join(first_line("curl", "--version").split()[:2])
        return f"{curl}, {first_line('nginx', '-v').removeprefix('nginx version: ')}"

    def serve(self, ground: Ground) -> Serving:
        [seat] = ground.seeders
        path = ground.share.link_into(seat.folder)
        config = seat.state / "nginx.conf"
        config.write_text(CONFIG.format(state=seat.state, folder=seat.folder, port=PORT))
        command = seat.host.command("nginx", "-e", seat.state / "errors", "-c", config)
        server = ground.processes.start(command, seat.state / "log", {})
        self._wait_until_ready(seat, _url(seat.host, path.name))
        return Serving([server], _url(ground.relay or seat.host, path.name))

    def _wait_until_ready(self, seat: Seat, url: str) -> None:
        ask = seat.host.command("curl", "--silent", "--head", "--fail", url)
        deadline = time.monotonic() + READY_TIMEOUT_S
        while subprocess.run(ask, capture_output=True, check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise Failed("nginx does not answer")
            time.sleep(0.1)

    def get(self, ground: Ground, seat: Seat, what: str) -> Process:
        copy = seat.folder / ground.share.name
        # It says so after it has written and closed the file.
        say = ("--write-out", f"{DONE}\\n")
        command = seat.host.command("curl", "--silent", "--fail", *say, "--output", copy, what)
        return ground.processes.start(command, seat.state / "log", {DONE: f"^{DONE}$"})
