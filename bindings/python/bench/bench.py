"""Measures graven and other stores of Python in one run.

    python -m venv /tmp/bench
    /tmp/bench/bin/pip install ./bindings/python -r bindings/python/bench/requirements.txt
    /tmp/bench/bin/python bindings/python/bench/bench.py

Two sets of entries: random keys of 8 bytes with values of 8 bytes, and URLs of 20 to 120 bytes with
values of 30 bytes. In each round every store takes its turn in every measure, beginning with
another one in each round; a figure is the median of the rounds. Each store is compared with the
dict it was built from before it is timed.

All but builds are processor time of the calling thread, all files being in the page cache: on a
shared machine it is steadier than the time on the clock. Builds are time on the clock. `get` comes
first in a round, on a store that was just opened, so it includes the first touch of each page:
page faults for what is mapped, and for graven the check of the page's checksum. Memory is measured
once, after the rounds: it does not depend on the load.

Results go to bench/results, as JSON, Markdown and a chart.
"""

import argparse
import gc
import json
import mmap
import os
import platform
import random
import struct
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median

from stores import STORES, remove

HERE = Path(__file__).resolve().parent
MEASURES = {
    "get": "get of one key",
    "view": "view without a copy",
    "get_many": "1,000 keys at once",
    "scan": "scan of all entries",
    "open": "open, one get, close",
    "build": "build",
    "pss": "memory of 8 workers",
}
UNITS = {"get": "ns/key", "view": "ns/key", "get_many": "ns/key", "scan": "ns/entry",
         "open": "µs", "build": "s", "pss": "MiB"}  # fmt: skip
WORKERS = 8


def numbers(entries, draw):
    """Random keys of 8 bytes, values of 8 bytes."""
    return {draw.randbytes(8): draw.randbytes(8) for _ in range(entries)}


def urls(entries, draw):
    """URLs of 20 to 120 bytes, values of 30 bytes."""
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 9)))
             for _ in range(2000)]  # fmt: skip
    made = {}
    while len(made) < entries:
        length = draw.randint(20, 120)
        url = f"https://{draw.choice(words)}.org/{draw.getrandbits(24):x}"
        while len(url) < length:
            url += "/" + draw.choice(words)
        made[url[:length].encode()] = draw.randbytes(30)
    return made


SETS = {"numbers": numbers, "urls": urls}


def each(function, keys):
    """Seconds of processor time per key."""
    begin = time.thread_time()
    for key in keys:
        function(key)
    return (time.thread_time() - begin) / len(keys)


def once(function):
    begin = time.thread_time()
    function()
    return time.thread_time() - begin


def value_of(answer):
    """Of what a store answers, the bytes: marisa-trie has lists of values, lmdb pairs."""
    if isinstance(answer, list):
        answer = answer[0] if len(answer) == 1 else answer
    if isinstance(answer, tuple):
        answer = answer[1]
    return None if answer is None else bytes(answer)


def verify(kind, path, entries, draw):
    """Compares a store with the dict: some keys in every way to read them, and all entries."""
    store = kind(path)
    keys = draw.sample(sorted(entries), min(1000, len(entries)))
    mine = [kind.key(key) for key in keys]
    wanted = [entries[key] for key in keys]
    absent = kind.key(b"\xfeno such key")
    for get in [*store.gets, *store.views]:
        assert [value_of(get(key)) for key in mine] == wanted, (kind.name, get)
        assert get(absent) is None, kind.name
    for many in store.many:
        found = many(mine)
        if found and isinstance(found[0], tuple) and len(found[0]) == 2:
            found = [dict((bytes(key), value) for key, value in found)[key] for key in keys]
        assert [value_of(value) for value in found] == wanted, (kind.name, many)
    for scan in store.scans:
        assert scan() == len(entries), kind.name
    store.close()


def open_once(kind, path, key, value):
    def act():
        store = kind(path)
        got = store.gets[0](key)
        store.close()
        return got

    assert value_of(act()) == value
    return act


def round_of(kinds, directory, entries, keys, rounds_left, results):
    """One round: every measure, every store."""
    paths = {kind.name: directory / kind.name for kind in kinds}

    def note(kind, measure, seconds):
        results[kind.name].setdefault(measure, []).append(seconds)

    for kind in kinds:
        remove(paths[kind.name])
        gc.collect()
        begin = time.perf_counter()
        kind.build(paths[kind.name], entries)
        note(kind, "build", time.perf_counter() - begin)
    opened = {kind.name: kind(paths[kind.name]) for kind in kinds}
    mine = {kind.name: [kind.key(bytes(bytearray(key))) for key in keys] for kind in kinds}
    gc.collect()
    gc.disable()
    for measure in ("get", "view", "get_many", "scan"):
        for kind in kinds:
            store, own = opened[kind.name], mine[kind.name]
            if measure == "scan":
                times = [once(scan) / len(entries) for scan in store.scans]
            elif measure == "get_many":
                batches = [own[at : at + 1000] for at in range(0, len(own), 1000)]
                times = [each(many, batches) / 1000 for many in store.many]
            else:
                ways = store.gets if measure == "get" else store.views
                times = [each(way, own) for way in ways]
            if times:
                # Each way has its own median; the best of these counts.
                note(kind, measure, times)
    for store in opened.values():
        store.close()
    opened.clear()
    for kind in kinds:
        key = keys[0]
        act = open_once(kind, paths[kind.name], kind.key(key), entries[key])
        times = 100 if kind.file_backed and kind.name != "rocksdict" else 5
        if kind.name == "dict":
            times = 1
        note(kind, "open", each(lambda _: act(), range(times)))
    gc.enable()


def worker_memory(kind_name, path, keys_file):
    """In a process of its own: forks the workers, and prints what they have together."""
    kind = next((kind for kind in STORES if kind.name == kind_name), None)
    store = kind(path) if kind and kind.forks else None
    workers, ready, go = [], os.pipe(), os.pipe()
    for worker in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            if kind and store is None:
                store = kind(path)
            with open(keys_file, "rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                at, number, found = 0, 0, 0
                while at < len(data):
                    (length,) = struct.unpack_from("<H", data, at)
                    if number % WORKERS == worker:
                        key = data[at + 2 : at + 2 + length]
                        if kind:
                            found += value_of(store.gets[0](kind.key(key))) is not None
                    at += 2 + length
                    number += 1
                data.close()
            assert not kind or found == len(range(worker, number, WORKERS))
            gc.collect()
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            os._exit(0)
        workers.append(pid)
    # A worker that fails writes nothing: its end is then seen.
    os.close(ready[1])
    done = 0
    while done < WORKERS:
        got = os.read(ready[0], WORKERS)
        assert got, "a worker failed"
        done += len(got)
    total = {"pss": 0, "private": 0}
    for pid in workers:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, *rest = line.split()
            if name == "Pss:":
                total["pss"] += int(rest[0]) * 1024
            elif name in ("Private_Clean:", "Private_Dirty:"):
                total["private"] += int(rest[0]) * 1024
    os.write(go[1], b"x" * WORKERS)
    for pid in workers:
        os.waitpid(pid, 0)
    print(json.dumps(total))


def memory(kinds, directory, entries, results):
    """What 8 workers have more than 8 that open no store."""
    keys_file = directory / "keys"
    with open(keys_file, "wb") as file:
        for key in entries:
            file.write(struct.pack("<H", len(key)) + key)

    def ask(name):
        command = [sys.executable, __file__, "--worker-memory", name, str(directory / name)]
        done = subprocess.run([*command, str(keys_file)], check=True, capture_output=True)
        return json.loads(done.stdout)

    base = ask("none")
    for kind in kinds:
        got = ask(kind.name)
        for part in ("pss", "private"):
            results[kind.name][part] = [max(got[part] - base[part], 0)]


def measure(set_name, arguments):
    draw = random.Random(2026)
    entries = SETS[set_name](arguments.entries, draw)
    kinds = [kind for kind in STORES if not arguments.stores or kind.name in arguments.stores]
    results = {kind.name: {} for kind in kinds}
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        directory = Path(directory)
        for kind in kinds:
            kind.build(directory / kind.name, entries)
            verify(kind, directory / kind.name, entries, draw)
            print(f"{set_name}: {kind.name} verified", file=sys.stderr, flush=True)
        sizes = {}
        all_keys = list(entries)
        for number in range(arguments.rounds):
            turned = kinds[number % len(kinds) :] + kinds[: number % len(kinds)]
            keys = draw.sample(all_keys, min(arguments.lookups, len(all_keys)))
            round_of(turned, directory, entries, keys, number, results)
            print(f"{set_name}: round {number + 1}", file=sys.stderr, flush=True)
        for kind in kinds:
            path = directory / kind.name
            files = [path] if path.is_file() else list(path.iterdir())
            # Blocks, not length: lmdb's file has holes.
            sizes[kind.name] = sum(file.stat().st_blocks * 512 for file in files)
        memory(kinds, directory, entries, results)
    figures = {}
    for name, measures in results.items():
        figures[name] = {"file_bytes": sizes[name]}
        for measure_name, rounds in measures.items():
            if isinstance(rounds[0], list):
                figures[name][measure_name] = min(map(median, zip(*rounds, strict=True)))
            else:
                figures[name][measure_name] = median(rounds)
    return {"figures": figures, "rounds": results}


SCALE = {"get": 1e9, "view": 1e9, "get_many": 1e9, "scan": 1e9, "open": 1e6, "build": 1,
         "pss": 1 / (1 << 20), "private": 1 / (1 << 20)}  # fmt: skip


def short(number):
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def tables(results):
    """The report, in Markdown."""
    about = results["about"]
    lines = [
        f"# graven in Python and its rivals, {about['entries']:,} entries",
        "",
        f"{about['date']}, {about['cpu']}, {about['threads']} threads, "
        f"{'with' if about['avx512'] else 'without'} AVX-512, {about['system']}; load average "
        f"{about['load']}. Medians of {about['rounds']} interleaved rounds. Python "
        f"{about['python']}, " + ", ".join(f"{n} {v}" for n, v in about["versions"].items()) + ".",
        "",
        f"Command: `{about['command']}`. How it is measured, and with which options: "
        "[bench.py](../bench.py), [stores.py](../stores.py).",
        "",
        "Figures of `get` to `open` are processor time of the calling thread, files in the page "
        "cache; `get` includes the first touch of each page. What a store cannot do has a dash. `dict` is in memory; opening it is loading the "
        "pickle. Memory is what 8 forked workers that looked up all keys together have more than "
        "workers without a store: PSS divides shared pages among those who share them. Private memory "
        "of less than 1 MiB in all is within the noise of the interpreter's own.",
    ]
    for set_name, part in results["sets"].items():
        lines += ["", f"## {set_name}", "", SETS[set_name].__doc__, ""]
        columns = [*MEASURES, "private"]
        titles = [f"{m}, {UNITS.get(m, 'MiB')}" for m in columns]
        lines.append("| | " + " | ".join(titles) + " | file, MiB |")
        lines.append("|---|" + "---:|" * (len(columns) + 1))
        figures = part["figures"]
        for name, figure in figures.items():
            cells = [short(figure[m] * SCALE[m]) if m in figure else "–" for m in columns]
            cells.append(short(figure["file_bytes"] / (1 << 20)))
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines += ["", "As multiples of graven's; above 1, graven is ahead:", ""]
        lines.append("| | " + " | ".join(columns) + " |")
        lines.append("|---|" + "---:|" * len(columns))
        for name, figure in figures.items():
            if name != "graven":
                cells = [ratio(figures, name, m) for m in columns]
                cells = ["–" if cell is None else short(cell) for cell in cells]
                lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def ratio(figures, name, measure):
    mine, other = figures["graven"].get(measure), figures[name].get(measure)
    return other / mine if mine and other else None


COLOURS = {"lmdb": "#d1495b", "marisa-trie": "#edae49", "rocksdict": "#00798c",
           "pure-cdb": "#8d6a9f", "sqlite3": "#3066be", "dict": "#888888"}  # fmt: skip


def chart(results):
    """How many times graven's figure each store has, on a logarithmic scale."""
    from math import log10

    left, width, row = 190, 620, 26
    low, high = -1.2, 4.3

    def x(value):
        return left + width * (min(max(log10(value), low), high) - low) / (high - low)

    out, y = [], 54
    for set_name, part in results["sets"].items():
        title = SETS[set_name].__doc__.rstrip(".")
        out.append(f'<text x="10" y="{y + 4}" font-weight="bold">{title}</text>')
        y += row
        for measure_name, label in MEASURES.items():
            out.append(f'<line x1="{left}" x2="{left + width}" y1="{y}" y2="{y}" stroke="#eee"/>')
            out.append(f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{label}</text>')
            for name, colour in COLOURS.items():
                if name not in part["figures"]:
                    continue
                value = ratio(part["figures"], name, measure_name)
                if value is not None:
                    fill = "none" if name == "dict" else colour
                    out.append(
                        f'<circle cx="{x(value):.1f}" cy="{y}" r="5.5" fill="{fill}" '
                        f'stroke="{colour}" stroke-width="1.5" fill-opacity="0.85">'
                        f"<title>{name}: {short(value)}</title></circle>"
                    )
            y += row
        y += 10
    bottom = y - 10
    axis = []
    for power in range(-1, 5):
        at = x(10.0**power)
        stroke = "#333" if power == 0 else "#ccc"
        label = {0: "graven"}.get(power, f"{10.0**power:g}×")
        axis.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="66" y2="{bottom}" stroke="{stroke}"/>')
        axis.append(f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{label}</text>')
    legend, at = [], left
    for name, colour in COLOURS.items():
        fill = "none" if name == "dict" else colour
        legend.append(f'<circle cx="{at}" cy="20" r="5.5" fill="{fill}" stroke="{colour}"/>')
        legend.append(f'<text x="{at + 11}" y="24">{name}</text>')
        at += 40 + 7 * len(name)
    height = bottom + 50
    note = "multiple of graven&#8217;s time or memory, logarithmic; right of the line graven is ahead"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 30} {height}" '
        'font-family="sans-serif" font-size="12">\n'
        '<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join([*axis, *out, *legend])
        + f'\n<text x="{left + width / 2}" y="{bottom + 38}" text-anchor="middle">{note}</text>\n'
        "</svg>\n"
    )


def about(arguments):
    info = Path("/proc/cpuinfo").read_text()
    fields = dict(
        (name.strip(), value.strip())
        for name, _, value in (line.partition(":") for line in info.splitlines())
    )
    return {
        "date": date.today().isoformat(),
        "cpu": f"{fields.get('model name', platform.processor())} "
        f"(family {fields.get('cpu family')}, model {fields.get('model')})",
        "avx512": "avx512f" in fields.get("flags", ""),
        "threads": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "python": platform.python_version(),
        "versions": {kind.name: kind.version for kind in STORES if kind.name != "dict"},
        "entries": arguments.entries,
        "rounds": arguments.rounds,
        "command": " ".join(["python bindings/python/bench/bench.py", *arguments.said]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lookups", type=int, default=50_000, help="keys looked up per round")
    parser.add_argument("--stores", nargs="*", help="only these")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--directory", help="where stores are built; default: a temporary one")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--chart", type=Path, metavar="JSON", help="redo report and chart of a run")
    parser.add_argument("--worker-memory", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    # Where the report goes does not belong into it.
    arguments.said = [
        f"--{name.replace('_', '-')} {' '.join(value) if isinstance(value, list) else value}"
        for name, value in vars(arguments).items()
        if value != parser.get_default(name) and name != "out"
    ]
    if arguments.worker_memory:
        return worker_memory(*arguments.worker_memory)
    if arguments.chart:
        results = json.loads(arguments.chart.read_text())
        target = arguments.chart
    else:
        results = {"about": about(arguments), "sets": {}}
        for name in arguments.sets:
            results["sets"][name] = measure(name, arguments)
        size = {10**6: "1m"}.get(arguments.entries, str(arguments.entries))
        cpu = results["about"]["cpu"].lower().translate(str.maketrans(" ", "-", "(),"))
        target = arguments.out / f"{size}-{cpu}.json"
        target.write_text(json.dumps(results, indent=1) + "\n")
    target.with_suffix(".md").write_text(tables(results))
    target.with_suffix(".svg").write_text(chart(results))
    print(target.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
