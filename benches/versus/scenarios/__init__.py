"""The scenarios, in the order in which `all` runs them."""

from __future__ import annotations

from model import Scenario
from scenarios import (
    big,
    crowd,
    disk,
    idle,
    latency,
    manifest,
    one_to_many,
    progress,
    slow_peer,
    small_files,
)

SCENARIOS: dict[str, Scenario] = {
    "one-to-one": one_to_many.one_to_one,
    "one-to-four": one_to_many.one_to_four,
    "crowd": crowd.plan,
    "small-files": small_files.plan,
    "disk": disk.plan,
    "big": big.plan,
    "manifest": manifest.plan,
    "slow-peer": slow_peer.plan,
    "idle": idle.plan,
    "latency": latency.plan,
    "progress": progress.plan,
}
