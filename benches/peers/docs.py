#!/usr/bin/env python3
"""Debian's package lists as documents: one line for each package, its name, a TAB, its stanza as JSON.

    python3 docs.py > packages.tsv      # reads what `apt-get update` has fetched
"""
import glob
import json
import subprocess
import sys

HELPER = "/usr/lib/apt/apt-helper"


def stanzas(text):
    fields, name = {}, None
    for line in text.split("\n"):
        if not line:
            if fields:
                yield fields
            fields, name = {}, None
        elif line[0] in " \t":
            fields[name] += "\n" + line
        else:
            name, value = line.split(":", 1)
            fields[name] = value.strip()


packages = {}
for path in sorted(glob.glob("/var/lib/apt/lists/*_Packages*")):
    text = subprocess.run([HELPER, "cat-file", path], check=True, capture_output=True).stdout
    for fields in stanzas(text.decode()):
        packages[fields["Package"]] = fields
for name, fields in packages.items():
    document = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    sys.stdout.write(name + "\t" + document.replace("\\", "\\\\") + "\n")
