"""An audit of graven tables, written from format.md alone: whether a table breaks one of its rules.

    audit.py < paths

Answers one line per path: `ok`, or what is wrong. The second audit next to `graven verify`; the tables
that it is for are small, so it holds each in memory and makes its indexes anew from the records.
"""

import struct, sys
from packing import need, number, take
from reader import (HASH, INDEX, LINES, METADATA, PATCH, RECORDS, SLOTS, STATS, SUMS, TYPES, Table,
                    hash_of, up)
from xxh3 import xxh3_128

class Audit:
    def __init__(self, data):
        self.table = Table(data, patch=True)
        self.data, self.sections = data, self.table.sections

    def whole(self):
        table = self.table
        table.check()
        self.check_build_id()
        self.check_records()
        if INDEX in self.sections:
            self.check_tree()
        if LINES in self.sections:
            self.check_lines()
        second = self.check_hash() if HASH in self.sections else 0
        start = self.sections[STATS][0]
        need(number(self.data[start + 16 : start + 24]) == second, "second_bucket_keys")
        if METADATA in self.sections:
            self.check_metadata()
        key_type, value_type, byte_order = self.data[78:81]
        need((key_type == 0) == (value_type == 0), "types")
        need(byte_order <= (2 if key_type else 0), "byte_order")
        if TYPES in self.sections:
            self.check_types()
        if PATCH in self.sections:
            self.check_patch()

    def zeros(self, start, end, what):
        need(not any(self.data[start:end]), what)

    def check_build_id(self):
        size, sums = self.table.header_size, self.sections[SUMS][0]
        header = bytearray(self.data[:size])
        header[24:40], header[112:116] = bytes(16), bytes(4)
        need(xxh3_128(self.data[size:sums] + header) == self.table.build_id, "build_id")

    def check_records(self):
        """Bytes beside keys and values. Keeps keys, and places from the start of the records."""
        table, self.keys, self.places = self.table, [], []
        start, end = table.start, table.end
        at = start + (table.lead if table.fixed else 0)
        if table.fixed and table.entries:
            self.zeros(start, at, "padding before the first key")
        for _ in range(table.entries):
            key, value, following = table.record(at)
            self.keys.append(key)
            self.places.append(at - start)
            key_at = at
            if not table.fixed:
                # The short form where both lengths fit.
                word = number(self.data[at : at + table.width])
                escaped = word == (1 << 8 * table.width) - 1
                key_at += table.width + 6 * escaped
                need(not (escaped and self.fits(len(key), len(value))), "escape")
                if escaped:
                    need(table.key_len in (None, len(key)), "escaped key length")
                    need(table.value_len in (None, len(value)), "escaped value length")
            value_at = up(key_at + len(key), table.align)
            self.zeros(key_at + len(key), value_at, "padding before a value")
            self.zeros(value_at + len(value), min(following, end), "padding between records")
            at = following

    def fits(self, key_len, value_len):
        table = self.table
        bits = 8 * table.width
        if table.flags & 1:
            return value_len < (1 << bits) - 1
        if table.flags & 2:
            return key_len < (1 << bits) - 1
        word = key_len | value_len << table.key_bits
        return key_len < 1 << table.key_bits and word < (1 << bits) - 1

    def check_tree(self):
        table, n = self.table, self.table.entries
        nodes = [table.node(i) for i in range(table.nodes)]
        start = self.sections[INDEX][0]
        # Ranks of the first records under the nodes of the level below, which starts with `lower`.
        below, lower, first, end = None, 0, 0, table.leaves
        for level in range(table.levels):
            ranks, following = [], 0
            for i in range(first, end):
                child, rank, offset, separators, offsets, node_ranks = nodes[i]
                children = len(separators) + 1
                need(child == following + lower, "first_child")
                if level:
                    need(children >= 2 or i == end - 1 != table.nodes - 1, "children")
                    need(following + children <= len(below), "children")
                    firsts = below[following : following + children]
                elif table.fixed:
                    firsts = [(child + c) * table.block_records for c in range(children)]
                else:
                    firsts = [rank] + [rank + r for r in node_ranks]
                    for found, r in zip([offset] + [offset + o for o in offsets], firsts):
                        need(r < n and found == self.places[r], "offset of a block")
                following += children
                need(all(r < n for r in firsts) and firsts[0] == rank, "base_rank")
                need(offset == self.places[rank], "base_offset")
                self.check_separators(separators, firsts[1:])
                self.check_node(i, start + (i << table.node_log2))
                ranks += firsts
            if level == 0:
                self.check_blocks(ranks)
                self.check_samples(nodes)
                need(not table.fixed or following == -(-n // table.block_records), "blocks")
            else:
                need(following == len(below), "children of a level")
            below = [nodes[i][1] for i in range(first, end)]
            lower, first = first, end
            if level + 1 < table.levels:
                end = self.end_of_level(nodes, first, len(below))
        need(first == table.nodes and len(below) == 1, "levels")

    def end_of_level(self, nodes, at, children):
        """The end of the level that starts with node `at` and has so many children."""
        while children > 0:
            need(at < len(nodes), "levels")
            children -= len(nodes[at][3]) + 1
            at += 1
        need(children == 0, "children of a level")
        return at

    def check_blocks(self, starts):
        need(starts[0] == 0, "first block")
        for a, b in zip(starts, starts[1:] + [self.table.entries]):
            need(0 < b - a <= self.table.block_records, "records of a block")
        self.starts = starts

    def check_samples(self, nodes):
        table = self.table
        for i in range(table.leaves):
            at = self.sections[INDEX][0] + (i << table.node_log2)
            samples = number(self.data[at + 4 : at + 6])
            if table.fixed:
                need(samples == 0, "samples")
                continue
            rank = nodes[i][1]
            end = nodes[i + 1][1] if i + 1 < table.leaves else table.entries
            ranks = range(rank, end, table.sample_step)
            need(samples == len(ranks), "samples")
            m = len(nodes[i][3])
            found = struct.unpack_from(f"<{samples}H", self.data, at + 32 + 16 * m)
            for sample, r in zip(found, ranks):
                block = max(start for start in self.starts if start <= r)
                offset = self.places[r] - self.places[block]
                need(sample == (offset if offset < 65535 else 65535), "sample")
        for i in range(table.leaves, table.nodes):
            at = self.sections[INDEX][0] + (i << table.node_log2)
            need(self.data[at + 4 : at + 6] == bytes(2), "samples")

    def check_separators(self, separators, firsts):
        for (separator, cut), rank in zip(separators, firsts):
            before, first = self.keys[rank - 1], self.keys[rank]
            if cut:
                need(first.startswith(separator), "separator")
            elif before == first:
                need(separator == first, "separator")
            else:
                need(before < separator <= first, "separator")

    def check_node(self, i, at):
        """Heads are filled with zeros, tails are in order, and zeros follow."""
        table = self.table
        size = 1 << table.node_log2
        children, prefix_len, samples, reserved = struct.unpack_from("<4H", self.data, at)
        m, leaf = children - 1, i < table.leaves
        need(reserved == 0 and prefix_len <= 160 and (m or not prefix_len), "node")
        heads = struct.unpack_from(f"<{m}Q", self.data, at + 32)
        tails = struct.unpack_from(f"<{m}H", self.data, at + 32 + 8 * m)
        used = 32 + (16 if leaf and not table.fixed else 10) * m + 2 * samples + prefix_len
        before = 0
        for head, tail in zip(heads, tails):
            end, kind = tail >> 4, tail & 15
            length = end - before
            need(length == 0 if kind <= 8 else 0 < length <= 48, "tail")
            need(kind != 15 or length == 48, "cut tail")
            need(kind > 8 or not any(head.to_bytes(8, "big")[kind:]), "head")
            before = end
        used += before
        need(used <= size, "node")
        self.zeros(at + used, at + size, "end of a node")

    def check_lines(self):
        table, keys = self.table, self.keys
        start, length = self.sections[LINES]
        expected = [[] for _ in range(length // 64)]
        for key in keys:
            head = int.from_bytes(key[:8].ljust(8, b"\0"), "big")
            need(head >= table.line_base, "line_base")
            p = (head - table.line_base) * table.line_scale
            need(p >> 64 < len(expected), "line of a key")
            expected[p >> 64].append(p >> 49 & 0x7FFF)
        rank = 0
        for i, tags in enumerate(expected):
            need(len(tags) <= 255, "keys of a line")
            need(all(tags.count(tag) <= 8 for tag in tags), "keys of one tag")
            line = struct.pack("<I30H", rank, *(tags + [0x7FFF] * 30)[:30])
            need(self.data[start + 64 * i :][:64] == line, "line")
            rank += len(tags)

    def check_hash(self):
        """Returns the number of keys in their second bucket."""
        table, n = self.table, self.table.per_group
        start, length = self.sections[HASH]
        head, slots = SLOTS[table.slot_width]
        references = table.entries if table.fixed else self.sections[RECORDS][1]
        bits = (references - 1).bit_length() if references else 0
        tail = -1 << bits & 0xFFFFFFFF if table.slot_width == 4 else 0
        buckets, overflow = [], {}
        for at in range(start, start + length, 64):
            bucket, from_ = {}, at + head + slots
            tags = self.data[at + head : from_]
            for i, tag in enumerate(tags):
                held = number(self.data[from_ + i * table.slot_width :][: table.slot_width])
                need(tag or not held, "free slot")
                need(not tag or (tag, held) not in bucket, "slot twice")
                need(not tag or tags.count(tag) <= 3, "equal tags")
                if tag:
                    bucket[tag, held] = True
            buckets.append(bucket)
        seen, second, aside = set(), 0, 0
        for rank, key in enumerate(self.keys):
            if rank and key == self.keys[rank - 1]:
                continue
            h = hash_of(table.packing.key(key), table.seed)
            if h in seen:
                aside += 1
                continue
            seen.add(h)
            first = h * table.groups * n >> 64
            step = 1 + ((h >> 13 & 0x3FFF) * (n - 1) >> 14)
            other = first // n * n + (first + step) % n
            slot = max(h & 0xFF, 1), (rank if table.fixed else self.places[rank]) | h & tail
            if buckets[first].pop(slot, None) is None:
                need(buckets[other].pop(slot, None), "key without a slot")
                second += 1
                overflow[first] = overflow.get(first, 0) | 1 << (h >> 8 & 31) % (8 * head)
        need(not any(buckets), "slot without a key")
        need(aside == table.set_aside, "hash_set_aside")
        for i in range(len(buckets)):
            bits = number(self.data[start + 64 * i :][:head])
            need(bits == overflow.get(i, 0), "overflow bits")
        return second

    def check_metadata(self):
        start, length = self.sections[METADATA]
        section = self.data[start : start + length]
        at, before = 4, None
        for _ in range(number(take(section, 0, 4, "metadata"))):
            key_len, value_len = struct.unpack("<II", take(section, at, 8, "metadata"))
            key = take(section, at + 8, key_len, "metadata")
            take(section, at + 8 + key_len, value_len, "metadata")
            need(before is None or before < key, "order of metadata")
            at, before = at + 8 + key_len + value_len, key
        need(at == length, "pairs do not fill the metadata")

    def check_types(self):
        start, length = self.sections[TYPES]
        texts = self.data[start : start + length].decode().split("\n")
        need(len(texts) == 2, "types")
        for text in texts:
            need(1 <= len(text.encode()) <= 65535, "types")
            need(all(ord(c) > 31 and not 127 <= ord(c) < 160 for c in text), "types")

    def check_patch(self):
        start, length = self.sections[PATCH]
        block = self.data[start : start + length]
        need(length == 40 and block[32] <= 6 and block[33] <= 2 and not any(block[37:]), "patch")
        need(self.data[78:81] == bytes(3), "types of a patch")
        for _, value in self.table.stored():
            need(value[:1] in (b"\0", b"\1") and (value[0] or len(value) == 1), "change")

def audit(path):
    with open(path, "rb") as file:
        data = file.read()
    try:
        Audit(data).whole()
    except (ValueError, IndexError, struct.error, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    return "ok"

if __name__ == "__main__":
    for line in sys.stdin:
        print(audit(line.rstrip("\n")), flush=True)
