"""A reader of graven tables, written from format.md alone, with Python's standard library.
Packed tables are in packing.py; those under zstd need a decoder besides, as it says.

    reader.py TABLE < queries

Answers one line per query line; bytes are in hexadecimal, `-` stands for nothing:

    get KEY, find KEY      first value, by the hash index, by the ordered index
    seek KEY, above KEY    first entry not below, or above: rank, key, value
    nth RANK               key, value
    iter, meta             all entries, all metadata: key, value, a line each
    types                  the text of the key type, that of the value type
    check                  checks every page sum and entry; entries, distinct keys
    packing                how values and keys are packed
    hash KEY SEED          the seed in hexadecimal
"""

import struct, sys, zlib
from packing import Packing, need, number

M64 = (1 << 64) - 1
S0, S1 = 0xA0761D6478BD642F, 0xE7037ED1A0B428DB
ADDENDS = [int(word, 16) for word in """
    243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 082efa98 ec4e6c89
    452821e6 38d01377 be5466cf 34e90c6c c0ac29b7 c97c50dd 3f84d5b5 b5470917
    9216d5d9 8979fb1b d1310ba6 98dfb5ac 2ffd72db d01adfb7 b8e1afed 6a267e96
    ba7c9045 f12c7f99 24a19947 b3916cf7 0801f2e2 858efc16 636920d8 71574e69
""".split()]
RECORDS, INDEX, HASH, STATS, METADATA, SUMS, LINES, TYPES, PATCH, PACKING = range(1, 11)
SLOTS = {4: (4, 12), 5: (4, 10), 6: (1, 9)}  # bytes of overflow bits, slots

def up(x, align):
    return -(-x // align) * align

def fold(a, b):
    return (a * b & M64) ^ (a * b >> 64)

def hash_of(key, seed):
    n, a, b = len(key), 0, 0
    if n > 128:
        state = S1
        for p in range(0, n - 16, 16):
            state = fold(number(key[p : p + 8]) ^ S0, number(key[p + 8 : p + 16]) ^ state)
        a, b = S0 ^ number(key[-16:-8]), state ^ number(key[-8:])
    elif n > 16:
        half = 16 if n <= 32 else 32 if n <= 64 else 64
        for part, addends in (key[:half], ADDENDS[:16]), (key[-half:], ADDENDS[16:]):
            words = struct.unpack(f"<{half // 4}I", part)
            added = [(w + c) % 2**32 for w, c in zip(words, addends)]
            a += sum(added[i] * added[i + 1] for i in range(0, half // 4, 4))
            b += sum(added[i] * added[i + 1] for i in range(2, half // 4, 4))
        a, b = a & M64, b & M64
    else:
        if n >= 4:
            width = 8 if n >= 8 else 4
            a, b = number(key[:width]), number(key[-width:])
        elif n > 0:
            a = key[0] | key[n // 2] << 8 | key[n - 1] << 16
        a, b = a ^ S0, b ^ S1
    product = a * b
    h = fold((product & M64) ^ n, product >> 64)
    return fold(fold(h ^ seed, seed * S0 & M64 | 1), S1) if seed else h

class Table:
    def __init__(self, data, patch=False):
        """`patch`: the table may be a patch."""
        self.data, self.patch = data, patch
        need(len(data) >= 448 + 32, "too short")
        fields = struct.unpack_from("<8sHHIQ16sQQ", data, 0)
        magic, major, _, self.header_size, file_len, self.build_id, self.entries, self.keys = fields
        need(magic == b"\x89GRV\r\n\x1a\n" and major == 1, "magic, major")
        need(448 <= self.header_size <= min(4096, len(data)), "header_size")
        header = data[: self.header_size]
        checksum, section_count = struct.unpack_from("<II", data, 112)
        need(zlib.crc32(header[:112] + bytes(4) + header[116:]) == checksum, "header checksum")
        need(file_len == len(data) <= 1 << 44, "file_len")
        footer = struct.pack("<8sQ8sI", b"GRVend\r\n", file_len, self.build_id[:8], checksum)
        need(data[-32:] == footer + zlib.crc32(footer).to_bytes(4, "little"), "footer")

        key_len, value_len, self.flags, order, align_log2 = struct.unpack_from("<IIIBB", data, 56)
        self.width, self.key_bits, unit_log2, self.block_records, self.node_log2 = data[70:75]
        self.levels, function, self.slot_width = data[75:78]
        self.sample_step = data[81]
        self.attempt, self.per_group = struct.unpack_from("<II", data, 88)
        self.groups, self.leaves = struct.unpack_from("<QQ", data, 96)
        self.line_base, self.line_scale = struct.unpack_from("<QQ", data, 120)
        self.seed, self.set_aside = struct.unpack_from("<QQ", data, 136)
        need(self.flags < 8 and order == 0 and align_log2 <= 6 and unit_log2 == 12, "parameters")
        need(data[82:88] == bytes(6) and data[152:192] == bytes(40), "reserved")
        need(1 <= self.block_records <= 32 and self.levels <= 48, "parameters")
        need((self.flags & 4 > 0) == (self.keys < self.entries), "repeated keys")
        need((self.keys > 0) == (self.entries > 0) and self.keys <= self.entries, "keys")
        self.align, self.fixed = 1 << align_log2, self.flags & 3 == 3
        self.key_len = key_len if self.flags & 1 else None
        self.value_len = value_len if self.flags & 2 else None
        need(self.width == 0 if self.fixed else 1 <= self.width <= 4, "length_width")
        need(key_len <= (65535 if self.flags & 1 else 0), "fixed_key_len")
        need(self.flags & 2 or value_len == 0, "fixed_value_len")
        bits = 0 if self.flags & 1 else 8 * self.width
        need(self.key_bits == bits if self.flags & 3 else self.key_bits <= bits, "key_bits")

        self.sections = self.read_sections(section_count)
        self.start, length = self.sections[RECORDS]
        self.end = self.start + length
        if self.fixed:
            self.stride = up(max(1, key_len + value_len), self.align)
            self.lead = up(key_len, self.align) - key_len
            need(length == (self.lead + self.entries * self.stride) * (self.entries > 0), "records")
        else:
            need(self.entries * self.width <= length, "records")
        need((self.levels > 0) == (INDEX in self.sections), "index_levels")
        one_block = self.entries <= self.block_records or LINES in self.sections
        need(self.levels > 0 or one_block, "index_levels")
        if LINES in self.sections:
            need(self.fixed and not self.flags & 4 and self.levels == 0, "line index")
            lines = self.sections[LINES][1]
            need(0 < self.entries < 1 << 32 and lines % 64 == 0 < lines, "line index")
        else:
            need(self.line_base == self.line_scale == 0, "line index")
        self.packing = self.read_packing(align_log2)
        known = 4 if self.packing.symbols else 3
        need(function == (known if HASH in self.sections else 0), "hash_function")
        if self.levels:
            at, length = self.sections[INDEX]
            need(9 <= self.node_log2 <= 12 and (at | length) % (1 << self.node_log2) == 0, "nodes")
            self.nodes = length >> self.node_log2
            above = self.nodes - self.leaves
            need(self.leaves >= 1 and above >= self.levels - 1, "index_leaves")
            need(above == 0 if self.levels == 1 else self.leaves > 1 << self.levels - 2, "levels")
            need(self.levels > 1 or self.nodes == 1, "index_leaves")
            need((self.sample_step == 0) == self.fixed, "sample_step")
        else:
            need(self.leaves == self.node_log2 == self.sample_step == 0, "ordered index")
        if function:
            need(self.slot_width in SLOTS and 1 <= self.per_group <= 1024, "hash index")
            need(self.sections[HASH][1] == self.groups * self.per_group * 64, "buckets")
            need(self.set_aside < max(self.keys, 1), "hash_set_aside")
        else:
            need(self.attempt == self.set_aside == self.slot_width == 0, "hash index")
            need(self.groups == self.per_group == 0, "hash index")
        need((self.seed == 0) == (self.attempt == 0), "hash_seed")

    def read_sections(self, count):
        need(count <= 8, "section_count")
        found, free = {}, self.header_size
        for i in range(count):
            section = struct.unpack_from("<IIQQQ", self.data, 192 + 32 * i)
            kind, flags, offset, length, reserved = section
            need(offset >= free and offset % 64 == 0 and reserved == 0, "section")
            need(self.data[free:offset] == bytes(offset - free), "padding")
            need(kind not in found, "section kind")
            # A patch is not a table to look up in.
            known = kind in range(1, 9) or kind == PACKING or kind == PATCH and self.patch
            need(known or not flags & 1, "section kind")
            need(flags <= 1, "section flags")
            need(kind != PACKING or flags & 1, "section flags")
            free, found[kind] = offset + length, (offset, length)
        need(self.data[192 + 32 * count : 448] == bytes(256 - 32 * count), "unused sections")
        need(RECORDS in found and STATS in found and SUMS in found, "section is missing")
        sums, length = found[SUMS]
        need(free == sums + length == len(self.data) - 32, "place of the sums")
        need(length == up(sums, 4096) // 4096 * 4, "number of sums")
        return found

    def read_packing(self, align_log2):
        if PACKING not in self.sections:
            return Packing()
        need(align_log2 == 0, "packed table with aligned values")
        need(TYPES not in self.sections and self.data[78:81] == bytes(3), "packed table with types")
        need(PATCH not in self.sections, "packed patch")
        start, length = self.sections[PACKING]
        return Packing(self.data[start : start + length])

    def check(self):
        sums, length = self.sections[SUMS]
        mask = number(self.build_id[:4])
        for i in range(length // 4):
            unit = self.data[4096 * i : min(4096 * (i + 1), sums)].ljust(4096, b"\0")
            stored = number(self.data[sums + 4 * i :][:4])
            crc = zlib.crc32(unit) ^ mask ^ (i * 0x9E3779B1 & 0xFFFFFFFF)
            need(stored == crc, f"sum of unit {i}")
        entries = list(self.stored())
        keys = [key for key, _ in entries]
        need(all(a <= b for a, b in zip(keys, keys[1:])), "order of keys")
        need(len(set(keys)) == self.keys, "number of keys")
        self.check_stats(entries)
        if PACKING in self.sections:
            self.packing.check(entries)
        return self.entries, self.keys

    def check_stats(self, entries):
        """Compares all of the statistics but the number of keys in their second bucket."""
        found = []
        for lengths, bins in (
            ([len(key) for key, _ in entries], 17),
            ([len(value) for _, value in entries], 33),
        ):
            counts = [0] * bins
            for length in lengths:
                counts[length.bit_length()] += 1
            found.append((sum(lengths), min(lengths, default=0), max(lengths, default=0), counts))
        (key_sum, *key_ends, key_bins), (value_sum, *value_ends, value_bins) = found
        first, last = (entries[0][0], entries[-1][0]) if entries else (b"", b"")
        start, length = self.sections[STATS]
        stats = self.data[start : start + length]
        fields = key_sum, value_sum, number(stats[16:24]), *key_ends, *value_ends
        expected = struct.pack("<QQQIIIIII", *fields, len(first), len(last))
        expected += struct.pack("<50Q", *key_bins, *value_bins) + first + last
        need(stats == expected, "statistics")

    def place(self, rank, offset):
        """Where in the file the record with this rank and offset (fixed width: its key) starts."""
        need(0 <= rank < self.entries, "rank")
        if self.fixed:
            return self.start + self.lead + rank * self.stride
        need(self.start + offset < self.end, "offset")
        return self.start + offset

    def record(self, place):
        """Key, value and the place of the next record."""
        if self.fixed:
            key_len, value_len, at = self.key_len, self.value_len, place
        else:
            at = place + self.width
            word = number(self.data[place:at])
            if word == (1 << 8 * self.width) - 1:
                key_len, value_len = struct.unpack_from("<HI", self.data, at)
                at += 6
            else:
                key_len = self.key_len if self.flags & 1 else word & ((1 << self.key_bits) - 1)
                value_len = self.value_len if self.flags & 2 else word >> self.key_bits
        value_at = up(at + key_len, self.align)
        end = value_at + value_len
        need(end <= self.end, "record beyond the records")
        following = place + self.stride if self.fixed else end
        return self.data[at : at + key_len], self.data[value_at:end], following

    def iter(self):
        for key, value in self.stored():
            yield self.packing.key(key), self.packing.value(value)

    def stored(self):
        if self.entries:
            at = self.place(0, 0)
            for _ in range(self.entries):
                key, value, at = self.record(at)
                yield key, value
            need(self.fixed or at == self.end, "end of the records")

    def get(self, key):
        if HASH not in self.sections:
            return self.find(key)
        h, n = hash_of(key, self.seed), self.per_group
        first = h * self.groups * n >> 64
        group = first // n
        step = 1 + ((h >> 13 & 0x3FFF) * (n - 1) >> 14)
        tag, overflow = max(h & 0xFF, 1), h >> 8 & 31
        head, slots = SLOTS[self.slot_width]
        references = self.entries if self.fixed else self.sections[RECORDS][1]
        tail = -1 << (references - 1).bit_length() & 0xFFFFFFFF if self.slot_width == 4 else 0
        set_aside = False
        for bucket in (first, group * n + (first + step) % n):
            at = self.sections[HASH][0] + bucket * 64
            line = self.data[at : at + 64]
            equal = [slot for slot in range(slots) if line[head + slot] == tag]
            need(len(equal) <= 3, "equal tags")
            for slot in equal:
                from_ = head + slots + slot * self.slot_width
                held = number(line[from_ : from_ + self.slot_width])
                if (held ^ h) & tail:
                    continue
                reference = held & ~tail
                found, value, _ = self.record(self.place(reference * self.fixed, reference))
                found = self.packing.key(found)
                if found == key:
                    return self.packing.value(value)
                set_aside |= self.set_aside > 0 and hash_of(found, self.seed) == h
            if not number(line[:head]) >> overflow % (8 * head) & 1:
                break
        return self.find(key) if set_aside else None

    def node(self, i):
        """Header fields, separators (string, whether it was cut), offsets and ranks of node i."""
        need(i < self.nodes, "node number")
        at = self.sections[INDEX][0] + (i << self.node_log2)
        node = self.data[at : at + (1 << self.node_log2)]
        fields = struct.unpack_from("<HHHHQQQ", node, 0)
        children, prefix_len, samples, _, first, rank, offset = fields
        need(children >= 1, "children")
        m, offsets, ranks = children - 1, (), ()
        heads = struct.unpack_from(f"<{m}Q", node, 32)
        tails = struct.unpack_from(f"<{m}H", node, 32 + 8 * m)
        at = 32 + 10 * m
        if i < self.leaves and not self.fixed:
            offsets = struct.unpack_from(f"<{m}I", node, at)
            ranks = struct.unpack_from(f"<{m}H", node, at + 4 * m)
            # The samples only make a search faster.
            at += 6 * m + 2 * samples
        prefix, heap = node[at : at + prefix_len], node[at + prefix_len :]
        separators, before = [], 0
        for head, tail in zip(heads, tails):
            end, kind = tail >> 4, tail & 15
            need(kind <= 9 or kind == 15, "tail kind")
            head = head.to_bytes(8, "big")
            rest = head[:kind] if kind <= 8 else head + heap[before:end]
            separators.append((prefix + rest, kind == 15))
            before = end
        return first, rank, offset, separators, offsets, ranks

    def block(self, node, child):
        """First rank and place of a block under a leaf."""
        first, rank, offset, _, offsets, ranks = node
        if self.fixed:
            rank = (first + child) * self.block_records
        elif child:
            rank, offset = rank + ranks[child - 1], offset + offsets[child - 1]
        return rank, self.place(rank, offset)

    def first_key(self, node, child, leaf):
        if leaf:
            return self.record(self.block(node, child)[1])[0]
        child = self.node(node[0] + child)
        return self.record(self.place(child[1], child[2]))[0]

    def line(self, key):
        """By the line index: the first rank that a search must look at, and how many."""
        start, length = self.sections[LINES]
        head = int.from_bytes(key[:8].ljust(8, b"\0"), "big")
        p = (head - self.line_base) * self.line_scale
        at, tag = start + (p >> 64) * 64, p >> 49 & 0x7FFF
        if head < self.line_base:
            return 0, 1
        if at >= start + length:
            return self.entries, 1
        rank, *tags = struct.unpack_from("<I30H", self.data, at)
        n, last = sum(other < tag for other in tags), at + 64 == start + length
        following = self.entries if last else number(self.data[at + 64 : at + 68])
        return rank + n, 9 if n < 30 else following - rank - 29

    def seek(self, key, above=False):
        """Rank, key and value of the first record not below (or above) the key."""
        if not self.entries:
            return (0,)
        key = self.packing.encode(key)
        inclusive = above or not self.flags & 4
        rank, at, most = 0, self.place(0, 0), self.block_records + 1
        if LINES in self.sections:
            rank, most = self.line(key)
            at += rank * self.stride
        elif self.levels:
            below = self.nodes - 1
            for level in reversed(range(self.levels)):
                number, node, child = below, self.node(below), 0
                for separator, cut in node[3]:
                    if cut and key.startswith(separator):
                        separator = self.first_key(node, child + 1, level == 0)
                    if not (separator <= key if inclusive else separator < key):
                        break
                    child += 1
                below = node[0] + child
                need(not level or below < number, "child number")
            rank, at = self.block(node, child)
        for _ in range(most):
            if rank == self.entries:
                return (rank,)
            found, value, after = self.record(at)
            if found > key or found == key and not above:
                return rank, self.packing.key(found), self.packing.value(value)
            rank, at = rank + 1, after
        raise ValueError("block is too long")

    def find(self, key):
        _, *entry = self.seek(key)
        return entry[1] if key in entry[:1] else None

    def nth(self, wanted):
        if wanted >= self.entries:
            return [None]
        key, value, _ = self.record(self.nth_place(wanted))
        return self.packing.key(key), self.packing.value(value)

    def nth_place(self, wanted):
        if self.fixed:
            return self.place(wanted, 0)
        rank, at = 0, self.place(0, 0)
        if self.levels:
            leaves = map(self.node, reversed(range(self.leaves)))
            leaf = next(leaf for leaf in leaves if leaf[1] <= wanted)
            child = sum(leaf[1] + rank <= wanted for rank in leaf[5])
            rank, at = self.block(leaf, child)
        need(wanted - rank < self.block_records, "block is too long")
        for _ in range(wanted - rank):
            at = self.record(at)[2]
        return at

    def meta(self):
        if METADATA in self.sections:
            start, length = self.sections[METADATA]
            at = start + 4
            for _ in range(number(self.data[start:at])):
                key_len, value_len = struct.unpack_from("<II", self.data, at)
                value_at, end = at + 8 + key_len, at + 8 + key_len + value_len
                yield self.data[at + 8 : value_at], self.data[value_at:end]
                at = end
            need(at == start + length, "pairs do not fill the metadata")

    def types(self):
        if TYPES in self.sections:
            start, length = self.sections[TYPES]
            texts = self.data[start : start + length].split(b"\n")
            need(len(texts) == 2 and all(1 <= len(text) < 1 << 16 for text in texts), "types")
            yield from (text.decode() for text in texts)

def shown(parts):
    text = (part.hex() or '""' if isinstance(part, bytes) else str(part) for part in parts)
    return " ".join(text).replace("None", "-")

def answer(table, verb, word="", seed="0"):
    if verb in ("iter", "meta"):
        return "\n".join(map(shown, getattr(table, verb)()))
    if verb == "types":
        return "\n".join(table.types()) or "-"
    if verb == "packing":
        return " ".join(table.packing.names())
    if verb in ("check", "nth"):
        return shown(table.check() if verb == "check" else table.nth(int(word)))
    key = bytes.fromhex(word.strip('"'))
    if verb in ("seek", "above"):
        return shown(table.seek(key, verb == "above"))
    if verb == "hash":
        return f"{hash_of(key, int(seed, 16)):016x}"
    return shown([table.get(key) if verb == "get" else table.find(key)])

if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        opened = Table(file.read())
    for line in sys.stdin:
        print(answer(opened, *line.split()))
