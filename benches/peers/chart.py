#!/usr/bin/env python3
"""The README's chart: hits by URL of some stores, from a recorded page.

    python3 chart.py ../results/1m-….md > ../results/readme.svg
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


def rows(path, workload):
    """The rows of the table of lookups, each a map from the column's title."""
    found, titles = {}, None
    for line in open(path, encoding="utf-8"):
        if line.startswith("## "):
            here, titles = line.startswith(f"## {workload} at "), None
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("| "):
            titles = None
        elif here and cells[0] == "Lookups and scans, ns":
            titles = cells
        elif titles and cells[0] != "---":
            found[cells[0]] = dict(zip(titles, cells))
    return found


def main(path):
    table = rows(path, "url")
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


main(sys.argv[1])
