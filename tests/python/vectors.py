"""Holds packing.py against the examples of packed tables in format.md.

    vectors.py FORMAT.MD

Prints how many examples were compared.
"""

import re, sys
from packing import Fsst, Symbols, need

def section(text):
    """The section on packed tables as one line."""
    start = text.index("\n## Packed tables\n")
    return " ".join(text[start : text.index("\n## ", start + 1)].split())

def octets(text):
    return bytes.fromhex(text)

def same(got, expected, what):
    need(got == expected, f"{what}: {got}, not {expected}")

def fsst(text):
    codec = Fsst(octets(re.search(r"which are the dictionary `([0-9A-F ]+)`", text)[1]))
    rows = re.findall(r"\| `([^`]+)` \| `((?:[0-9A-F]{2} ?)+)` (?=\|)", text)
    for value, stored in rows:
        same(codec.decode(octets(stored)), value.encode(), f"FSST, {stored}")
    return len(rows)

def intervals(text):
    dictionary = re.search(r"With the symbols ([^.]*?) the dictionary is `([0-9A-F ]+)`", text)
    symbols = Symbols(octets(dictionary[2]))
    added = [symbol for symbol in symbols.symbols if len(symbol) > 1]
    same(set(added), {name.encode() for name in re.findall("`(.*?)`", dictionary[1])}, "symbols")
    rows = re.findall(r"\| `([^`]+)` (?:\(\w\w\) )?\| `([^`]+)` \| ([0-9A-F]{4}) (?=\|)", text)
    for begin, symbol, code in rows:
        code = int(code, 16)
        found = symbols.begins[code], symbols.symbols[code]
        same(found, (begin.encode(), symbol.encode()), f"code {code:04X}")
    # The rows of the table follow each other: none is left out.
    codes = [int(code, 16) for *_, code in rows]
    same(codes, list(range(codes[0], codes[-1] + 1)), "codes of the table")
    words = re.findall(r"`(\w+)`(?: is stored)? as `((?:[0-9A-F]{4} ?)+)`", text)
    for key, stored in words:
        same(symbols.encode(key.encode()), octets(stored), key)
        same(symbols.decode(octets(stored)), key.encode(), stored)
    return len(rows) + len(words)

if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        packed = section(file.read())
    print(fsst(packed) + intervals(packed))
