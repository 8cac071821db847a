#!/usr/bin/env python3
"""The README's charts, from a recorded page: lookups by URL of some stores, and with `serving`,
processes that serve from one store.

    python3 chart.py ../results/1m-….md > ../results/readme.svg
    python3 chart.py ../results/1m-….md serving > ../results/serving.svg
"""
import sys

# The store on the page, and what the chart calls it.
STORES = [
    ("graven", "graven"),
    ("ptr_hash", "PtrHash, slots and records*"),
    ("rkyv", "rkyv, archived hash map*"),
    ("sparkey", "Sparkey*"),
    ("tinycdb", "tinycdb*"),
    ("mdbx", "libmdbx"),
    ("lmdb", "LMDB"),
]
MEASURES = [("hit", "lookup of a key that is there, ns"), ("miss", "lookup of one that is not, ns")]
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-weight:600}.graven{fill:#b5432a}"
    ".rival{fill:#8c959f}.bg{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#e6edf3}"
    ".bg{fill:#0d1117}.rival{fill:#6e7681}}"
)
LEFT, WIDTH, ROW = 200, 260, 20


def rows(path, workload, table):
    """The rows of a table, each a map from the column's title."""
    found, titles = {}, None
    for line in open(path, encoding="utf-8"):
        if line.startswith("## "):
            here, titles = line.startswith(f"## {workload} at "), None
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("| "):
            titles = None
        elif here and cells[0] == table:
            titles = cells
        elif titles and cells[0] != "---":
            found[cells[0]] = dict(zip(titles, cells))
    return found


def lookups(path):
    table = rows(path, "url", "Lookups and scans, ns")
    height = 56 + ROW * len(STORES)
    right = LEFT + WIDTH + 70
    total = right + WIDTH + 60
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {height}" role="img">')
    print("<title>One million URLs: nanoseconds per lookup</title>")
    print(f'<style>{STYLE}</style><rect class="bg" width="{total}" height="{height}"/>')
    for x, (measure, title) in zip((LEFT, right), MEASURES):
        values = [float(table[store][measure]) for store, _ in STORES]
        print(f'<text class="t" x="{x}" y="18">{title}</text>')
        for y, value, (store, _) in zip(range(28, height, ROW), values, STORES):
            kind, width = "graven" if store == "graven" else "rival", WIDTH * value / max(values)
            print(f'<rect class="{kind}" x="{x}" y="{y}" width="{width:.1f}" height="14"/>')
            print(f'<text x="{x + width + 5:.1f}" y="{y + 11}">{value:g}</text>')
    for y, (_, name) in zip(range(39, height, ROW), STORES):
        print(f'<text text-anchor="end" x="{LEFT - 8}" y="{y}">{name}</text>')
    print(f'<text x="{LEFT}" y="{height - 8}">* without order: no ranges, no prefixes</text>')
    print("</svg>")


SERVERS = [("graven", "graven", "#b5432a"), ("rkyv", "rkyv", "#57606a"), ("lmdb", "LMDB", "#0969da")]
PANELS = [
    ("Serving processes, million lookups per second of all", "million lookups a second, all processes"),
    ("Serving processes, page tables of all, MB", "page tables of all processes, MB"),
]


def serving(path):
    """Each store a line over the number of processes, which doubles from mark to mark."""
    high, gap = 150, 330
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * gap + 20} 220" role="img">')
    print("<title>1 to 64 processes serve from one table of URLs</title>")
    print(f'<style>{STYLE}polyline{{fill:none;stroke-width:2}}</style>')
    print(f'<rect class="bg" width="{2 * gap + 20}" height="220"/>')
    for left, (name, title) in zip((50, 50 + gap), PANELS):
        table = rows(path, "url", name)
        lines = [
            ([float(value) for title, value in table[store].items() if title != name], text, colour)
            for store, text, colour in SERVERS
        ]
        most = max(max(values) for values, _, _ in lines)
        print(f'<text class="t" x="{left}" y="18">{title}</text>')
        print(f'<text text-anchor="end" x="{left - 6}" y="39">{most:.3g}</text>')
        print(f'<text text-anchor="end" x="{left - 6}" y="{high + 39}">0</text>')
        for i in range(7):
            x = left + 32 * i
            print(f'<text text-anchor="middle" x="{x}" y="{high + 55}">{2**i}</text>')
        labels = []
        for values, text, colour in lines:
            at = [(left + 32 * i, 35 + high * (1 - value / most)) for i, value in enumerate(values)]
            points = " ".join(f"{x},{y:.1f}" for x, y in at)
            print(f'<polyline stroke="{colour}" points="{points}"/>')
            labels.append([at[-1][1] + 4, text, colour, at[-1][0] + 6])
        # Names keep a line's height apart.
        labels.sort()
        for above, below in zip(labels, labels[1:]):
            below[0] = max(below[0], above[0] + 13)
        for y, text, colour, x in labels:
            print(f'<text x="{x}" y="{y:.1f}" style="fill:{colour}">{text}</text>')
    print("</svg>")


if __name__ == "__main__":
    (serving if sys.argv[2:] == ["serving"] else lookups)(sys.argv[1])
