#!/usr/bin/env python3
"""A BitTorrent client of one torrent on libtorrent, tuned for speed. Prints "complete" when it has
everything, and shares on until it is ended.

Run with the interpreter that has the module `libtorrent` (Debian: python3-libtorrent).
"""

import argparse
import time

import libtorrent as lt

SETTINGS = {
    "listen_interfaces": "0.0.0.0:6881",
    # Nothing that only finds strangers.
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "allow_multiple_connections_per_ip": True,
    # TCP without encryption is its fastest transport.
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "out_enc_policy": int(lt.enc_policy.disabled),
    "in_enc_policy": int(lt.enc_policy.disabled),
    "connection_speed": 200,
    "max_out_request_queue": 1500,
    "unchoke_slots_limit": 50,
    "send_buffer_watermark": 8 << 20,
    "send_buffer_low_watermark": 1 << 20,
    "alert_mask": int(lt.alert.category_t.status_notification),
}


def main() -> None:
    """Runs until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("torrent")
    parser.add_argument("folder")
    parser.add_argument("--seed", action="store_true", help="with the settings of a seeder")
    parser.add_argument("--connect", metavar="HOST:PORT", help="a peer to begin with")
    args = parser.parse_args()

    settings = lt.high_performance_seed() if args.seed else lt.default_settings()
    settings.update(SETTINGS)
    session = lt.session(settings)
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(args.torrent)
    params.save_path = args.folder
    params.flags &= ~lt.torrent_flags.auto_managed
    torrent = session.add_torrent(params)
    torrent.resume()
    if args.connect:
        host, _, port = args.connect.rpartition(":")
        torrent.connect_peer((host, int(port)))

    complete = False
    while not complete:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            complete |= isinstance(alert, lt.torrent_finished_alert)
    print("complete", flush=True)
    while True:
        # A first announce that came before the tracker was up is repeated only after minutes.
        if args.seed:
            torrent.force_reannounce()
        time.sleep(5)


main()
