#!/usr/bin/env bash
# How fast `graven pull` is beside a plain copy of the same bytes, which ends with an fsync as well.
#
#     cargo build -r -p graven-cli --features remote
#     bash cli/benches/pull.sh DIR [MIB] [ROUNDS]
#
# DIR is an empty directory on the disk that is measured; MIB bytes are copied (1024), ROUNDS times
# (5) by each contestant in turns: cp with an fsync of each file; pull from a directory; pull from a
# web server of Python's standard library. Prints the medians, and the median of the ratios of each
# round, where 1 is the copy's speed and 0.5 half of it. MOTO=1 adds moto's S3 server, if python3 has
# it (pip install 'moto[server]').
set -euo pipefail

dir=$(realpath "$1")
mib=${2:-1024}
rounds=${3:-5}
graven=${GRAVEN:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/target/release/graven}
servers=()
trap '((${#servers[@]})) && kill "${servers[@]}"' EXIT
cd "$dir"

# Values of 1,000 bytes that do not repeat; shards of 64 MiB.
python3 - "$mib" <<'END' | "$graven" build -qs --no-sync table.grv
import random, sys
random.seed(1)
for i in range(int(sys.argv[1]) * 1000):
    print(f"{i:010}\t{random.randbytes(515).hex()[:1030]}")
END
"$graven" shard -q --no-sync --target-bytes 64M table.grv built
rm table.grv
"$graven" push -q built far
version=far/$(cat far/CURRENT)
bytes=$(du -bc "$version"/* | tail -1 | cut -f1)

port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
web=$(port)
python3 -m http.server -b 127.0.0.1 -d far "$web" >/dev/null 2>&1 &
servers+=($!)
contestants=(cp file web)
if [[ ${MOTO:-} == 1 ]]; then
    s3=$(port)
    python3 -m moto.server -H 127.0.0.1 -p "$s3" >/dev/null 2>&1 &
    servers+=($!)
    export AWS_ENDPOINT_URL=http://127.0.0.1:$s3 AWS_ALLOW_HTTP=true AWS_REGION=us-east-1
    export AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret
    until curl -sf -X PUT "$AWS_ENDPOINT_URL/bucket" >/dev/null; do sleep 0.2; done
    "$graven" push -q built s3://bucket/set
    contestants+=(s3)
fi
until curl -sf "http://127.0.0.1:$web/CURRENT" >/dev/null; do sleep 0.2; done

# run CONTESTANT: copies the set to `to`.
run() {
    case $1 in
    cp) mkdir to && cp "$version"/* to/ && sync to/* to ;;
    file) "$graven" pull -q far to ;;
    web) "$graven" pull -q "http://127.0.0.1:$web" to ;;
    s3) "$graven" pull -q s3://bucket/set to ;;
    esac
}

for ((round = 0; round <= rounds; round++)); do
    for contestant in "${contestants[@]}"; do
        sync -f .
        begin=$EPOCHREALTIME
        run "$contestant"
        end=$EPOCHREALTIME
        rm -rf to
        # The first round makes memory and disk ready.
        ((round == 0)) || echo "$round $contestant ${begin/,/.} ${end/,/.}"
    done
done | python3 -c '
import statistics, sys
bytes, times = int(sys.argv[1]), {}
for line in sys.stdin:
    round, name, begin, end = line.split()
    times.setdefault(name, {})[round] = float(end) - float(begin)
for name, of in times.items():
    ratio = statistics.median(times["cp"][r] / of[r] for r in of)
    seconds = statistics.median(of.values())
    print(f"{name:5} {seconds:7.2f} s {bytes / seconds / 1e6:7.0f} MB/s  ratio {ratio:.2f}")
' "$bytes"
