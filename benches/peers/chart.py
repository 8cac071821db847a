#!/usr/bin/env python3
"""Charts of recorded pages: lookups by URL of some stores; with `serving`, processes that serve from
one store; with `growth`, lookups by number in tables of several sizes.

    python3 chart.py ../results/1m-….md > ../results/readme.svg
    python3 chart.py ../results/readers.md serving > ../results/serving.svg
    python3 chart.py ../results/growth.md growth > ../results/growth.svg
"""
import itertools
import re
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
            here, titles = f"{line.strip()} ".startswith(f"## {workload} "), None
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


GROWING = [
    ("graven", "graven", "#b5432a"),
    ("odht", "odht", "#8250df"),
    ("rkyv-fixed", "rkyv, arrays", "#57606a"),
    ("ptr_hash", "PtrHash", "#1a7f37"),
    ("tinycdb", "tinycdb", "#9a6700"),
]
HIGH, GAP = 150, 330


def panels(title, drawn):
    """Panels side by side, each of a title, lines and the marks below them. A line's values go from mark to
    mark; it may end early."""
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {GAP * len(drawn) + 20} 220" role="img">')
    print(f"<title>{title}</title>")
    print(f'<style>{STYLE}polyline{{fill:none;stroke-width:2}}</style>')
    print(f'<rect class="bg" width="{GAP * len(drawn) + 20}" height="220"/>')
    for panel, (title, lines, marks) in enumerate(drawn):
        left, step = 50 + GAP * panel, 192 / (len(marks) - 1)
        most = max(max(values) for values, _, _ in lines)
        print(f'<text class="t" x="{left}" y="18">{title}</text>')
        print(f'<text text-anchor="end" x="{left - 6}" y="39">{float(f"{most:.3g}"):,g}</text>')
        print(f'<text text-anchor="end" x="{left - 6}" y="{HIGH + 39}">0</text>')
        for i, mark in enumerate(marks):
            x = left + step * i
            print(f'<text text-anchor="middle" x="{x:g}" y="{HIGH + 55}">{mark}</text>')
        labels = []
        for values, text, colour in lines:
            at = [(left + step * i, 35 + HIGH * (1 - value / most)) for i, value in enumerate(values)]
            points = " ".join(f"{x:g},{y:.1f}" for x, y in at)
            print(f'<polyline stroke="{colour}" points="{points}"/>')
            labels.append([at[-1][1] + 4, text, colour, at[-1][0] + 6])
        # Names keep a line's height apart.
        labels.sort()
        for above, below in zip(labels, labels[1:]):
            below[0] = max(below[0], above[0] + 13)
        for y, text, colour, x in labels:
            print(f'<text x="{x:g}" y="{y:.1f}" style="fill:{colour}">{text}</text>')
    print("</svg>")


def serving(path):
    """Each store a line over the number of processes, which doubles from mark to mark."""
    drawn = []
    for name, title in PANELS:
        table = rows(path, "url", name)
        lines = [
            ([float(value) for title, value in table[store].items() if title != name], text, colour)
            for store, text, colour in SERVERS
        ]
        drawn.append((title, lines, [2**i for i in range(7)]))
    panels("1 to 64 processes serve from one table of URLs", drawn)


def held(tables, store):
    """The tables up to the first that the store does not hold."""
    return itertools.takewhile(lambda table: store in table, tables)


def growth(path):
    """Each store a line over the number of entries, as far as it could hold them."""
    marks = re.findall("^## u64 at (.*)$", open(path, encoding="utf-8").read(), re.MULTILINE)
    tables = [rows(path, f"u64 at {mark}", "Lookups and scans, ns") for mark in marks]
    drawn = []
    for measure, title in (("hit", "independent hits, ns"), ("dependent", "dependent hits, ns")):
        lines = [
            ([float(table[store][measure]) for table in held(tables, store)], text, colour)
            for store, text, colour in GROWING
        ]
        drawn.append((title, lines, marks))
    panels("Lookups by number in tables of 10,000 to 100 million entries", drawn)


KINDS = {"lookups": lookups, "serving": serving, "growth": growth}

if __name__ == "__main__":
    KINDS[sys.argv[2] if len(sys.argv) > 2 else "lookups"](sys.argv[1])
