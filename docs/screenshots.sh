#!/bin/sh
# Prints what the full screen shows of a real transfer on this machine: the overview, the pieces, the
# files and the swarm, as docs/tui.md has them. Needs tmux, and `swarm` on the PATH or in $SWARM.
#
#   cargo build --release && SWARM=target/release/swarm docs/screenshots.sh [COLUMNSxROWS] [PAGES]
#
# One seeder sends 5 MiB a second, two others fetch the same, all on loopback and in a folder that is
# removed afterwards. PAGES are the keys to press, "1345" if nothing is said.
set -eu

swarm=$(command -v "${SWARM:-swarm}") || { echo "no swarm program: set SWARM to its path" >&2; exit 2; }
case $swarm in /*) ;; *) swarm=$PWD/$swarm ;; esac
size=${1:-100x30}
pages=${2:-1345}

home=$(mktemp -d)
SWARM_HOME=$home/settings
SWARM_LISTEN=127.0.0.1:0
export SWARM_HOME SWARM_LISTEN
started=
terminal() { tmux -L "screenshots-$$" -f /dev/null "$@"; }
tidy() {
    terminal kill-server 2>/dev/null || true
    for pid in $started; do kill "$pid" 2>/dev/null || true; done
    for pid in $started; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$home"
}
trap tidy EXIT
trap 'exit 130' INT TERM
cd "$home"

mkdir -p weights/shards
for n in 0 1 2 3; do
    head -c $((16000000 + n * 4000000)) /dev/urandom >weights/shards/part-0$n.bin
done
head -c 40000000 /dev/urandom >weights/model.bin
echo "Weights for a picture." >weights/README.md

"$swarm" seed weights --piece-length 256K --upload-limit 5M --progress none >link.txt 2>seed.log &
started=$!
link=
for try in 1 2 3 4 5 6 7 8 9 10; do
    sleep 1
    link=$(cat link.txt seed.log | grep -o 'swarm:?[^ '\'']*' | head -n 1) && [ -n "$link" ] && break
done
[ -n "$link" ] || { echo "the seeder did not start:" >&2; cat seed.log >&2; exit 1; }

for n in 1 2; do
    "$swarm" get "$link" --output "other$n" --progress none >/dev/null 2>&1 &
    started="$started $!"
done
terminal new-session -d -s get -x "${size%x*}" -y "${size#*x}" \
    "$swarm get '$link' --output out --progress tui"
sleep 10
for page in $(printf %s "$pages" | sed 's/./& /g'); do
    terminal send-keys -t get "$page"
    sleep 1
    terminal capture-pane -p -t get
    echo
done
