"""Packed tables: values under zstd or FSST, keys by symbols. Written from format.md alone.

FSST and symbols are decoded here. zstd needs the module `zstandard`, or Python 3.14, or the program
`zstd`: the first of them that is there.
"""

import bisect, functools, shutil, struct, subprocess, tempfile

PLAIN, ZSTD, FSST = range(3)
SYMBOLS = 1
MIB = 1 << 20
MAX_DICTIONARY = MAX_FRAME = MIB
MAX_ENCODED_KEY, KEY_CODES = 32767, 65536
NO_ZSTD = "this table needs zstd: `pip install zstandard`, Python 3.14, or the program `zstd`"

def need(condition, what):
    if not condition:
        raise ValueError(what)

def number(data):
    return int.from_bytes(data, "little")

def take(data, at, length, what):
    """A slice that must be there as a whole."""
    need(at + length <= len(data), what)
    return data[at : at + length]

def zstd(dictionary):
    """A function from a frame with its magic number to its content, or None."""
    try:
        import zstandard
        known = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
        return zstandard.ZstdDecompressor(dict_data=known).decompress
    except ImportError:
        pass
    try:
        from compression import zstd as library
        raw = dictionary[:4] != b"\x37\xA4\x30\xEC"
        known = library.ZstdDict(dictionary, is_raw=raw) if dictionary else None
        return functools.partial(library.decompress, zstd_dict=known)
    except ImportError:
        pass
    return functools.partial(by_program, dictionary) if shutil.which("zstd") else None

def by_program(dictionary, frame):
    with tempfile.NamedTemporaryFile() as file:
        file.write(dictionary)
        file.flush()
        known = ["-D", file.name] if dictionary else []
        done = subprocess.run(["zstd", "-dcq", *known], input=frame, capture_output=True)
    need(done.returncode == 0, f"zstd: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout

class Symbols:
    """Codes of two bytes that order as the strings that they stand for."""

    def __init__(self, dictionary):
        what = "symbols of keys"
        count = number(take(dictionary, 0, 4, what))
        lengths, at, own = take(dictionary, 4, count, what), 4 + count, []
        for length in lengths:
            own.append(take(dictionary, at, length, what))
            at += length
        need(at == len(dictionary), what)
        need(all(length >= 2 for length in lengths), what)
        need(all(a < b for a, b in zip(own, own[1:])), what)
        symbols = {bytes([byte]) for byte in range(256)} | set(own)
        begins = {}
        for symbol in own:
            shorter = (symbol[:length] for length in range(len(symbol) - 1, 0, -1))
            parent = next(prefix for prefix in shorter if prefix in symbols)
            # The smallest string above all that begin with the symbol, if there is one.
            rest = symbol.rstrip(b"\xFF")
            after = rest and rest[:-1] + bytes([rest[-1] + 1])
            if after and after.startswith(parent):
                begins[after] = parent
        begins.update((symbol, symbol) for symbol in symbols)
        need(len(begins) <= KEY_CODES, "more codes than two bytes can tell apart")
        self.begins = sorted(begins)
        self.symbols = [begins[begin] for begin in self.begins]

    def encode(self, key):
        codes, at = [], 0
        while at < len(key):
            # No symbol has more than 255 bytes, nor has the beginning of an interval.
            code = bisect.bisect_right(self.begins, key[at : at + 256]) - 1
            codes.append(code)
            at += len(self.symbols[code])
        return struct.pack(f">{len(codes)}H", *codes)

    def decode(self, stored):
        need(len(stored) % 2 == 0, "stored key of an odd number of bytes")
        codes = struct.unpack(f">{len(stored) // 2}H", stored)
        need(all(code < len(self.symbols) for code in codes), "key has a code without an interval")
        return b"".join(self.symbols[code] for code in codes)

class Fsst:
    def __init__(self, dictionary):
        what = "symbols of FSST"
        count = take(dictionary, 0, 1, what)[0]
        need(count <= 254, what)
        lengths, at, self.symbols = take(dictionary, 1, count, what), 1 + count, []
        for length in lengths:
            need(1 <= length <= 8, what)
            self.symbols.append(take(dictionary, at, length, what))
            at += length
        need(at == len(dictionary), what)

    def decode(self, stored):
        if stored[:1] == b"\xFE":
            return stored[1:]
        parts, codes = [], iter(stored)
        for code in codes:
            if code == 255:
                literal = next(codes, None)
                need(literal is not None, "value ends after an escape")
                parts.append(bytes([literal]))
            else:
                need(code < len(self.symbols), "value has a code without a symbol")
                parts.append(self.symbols[code])
        return b"".join(parts)

class Zstd:
    def __init__(self, dictionary):
        self.decompress = zstd(dictionary)
        if self.decompress is None:
            raise SystemExit(NO_ZSTD)
        self.frame = functools.lru_cache(1 << 16)(self.frame)

    def decode(self, stored):
        if stored[:1] == b"\0":
            return stored[1:]
        if stored[:1] != b"\1":
            return self.frame(stored)
        parts, at = [], 1
        while at < len(stored):
            length = number(take(stored, at, 4, "length of a frame"))
            parts.append(self.frame(take(stored, at + 4, length, "frame")))
            at += 4 + length
        return b"".join(parts)

    def frame(self, frame):
        what = "header of a frame"
        first = take(frame, 0, 1, what)[0]
        alone = first >> 5 & 1
        need(first & 0x1F == 0 and first > 0x1F, what)
        # Behind the first byte stands the window, unless the frame is a single segment.
        width, at = (1, 2, 4, 8)[first >> 6], 2 - alone
        length = number(take(frame, at, width, what)) + 256 * (width == 2)
        need(length <= MAX_FRAME, "frame is too long")
        at, last = at + width, False
        while not last:
            block = number(take(frame, at, 3, "header of a block"))
            last, kind = block & 1, block >> 1 & 3
            need(kind != 3, "kind of a block")
            at += 3 + (1 if kind == 1 else block >> 3)
        need(at == len(frame), "end of a frame")
        try:
            content = self.decompress(b"\x28\xB5\x2F\xFD" + frame)
        except Exception as error:
            raise ValueError(f"value does not decompress: {error}") from error
        need(len(content) == length, "content of a frame")
        return content

class Packing:
    """What a table stores its keys and values as. Without a section: as they are."""

    def __init__(self, section=bytes(64)):
        need(64 <= len(section) <= 64 + 2 * MAX_DICTIONARY, "packing section")
        fields = struct.unpack_from("<BBHIIIIIQQIIQQ", section)
        self.codec, self.key_codec, reserved, self.version, self.level, _, length = fields[:7]
        self.value_len_max, self.value_bytes, self.as_they_are, key_length = fields[7:11]
        self.key_len_max, self.key_bytes, reserved_2 = fields[11:]
        need(self.codec <= FSST and self.key_codec <= SYMBOLS, "codec")
        need(reserved == reserved_2 == 0, "reserved")
        need(max(length, key_length) <= MAX_DICTIONARY, "dictionary is too long")
        need(len(section) == 64 + length + key_length, "dictionaries do not fill the section")
        need(self.codec != PLAIN or length == 0, "dictionary without a codec")
        need(self.key_codec == SYMBOLS or key_length == 0, "dictionary without a codec of keys")
        self.dictionary, key_dictionary = section[64 : 64 + length], section[64 + length :]
        self.values = {ZSTD: Zstd, FSST: Fsst}.get(self.codec, lambda _: None)(self.dictionary)
        self.symbols = Symbols(key_dictionary) if self.key_codec else None

    def key(self, stored):
        return self.symbols.decode(stored) if self.symbols else stored

    def encode(self, key):
        return self.symbols.encode(key) if self.symbols else key

    def value(self, stored):
        return self.values.decode(stored) if self.values and stored else stored

    def names(self):
        return ("-", "zstd", "fsst")[self.codec], "symbols" if self.symbols else "-"

    def check(self, entries):
        """Compares what all stored entries add up to with what the section says."""
        mark = {ZSTD: b"\0", FSST: b"\xFE"}.get(self.codec, b"none")
        key_lengths, value_lengths, as_they_are = [0], [0], 0
        for stored_key, stored in entries:
            key, value = self.key(stored_key), self.value(stored)
            need(self.encode(key) == stored_key, "stored key is not what its key is encoded to")
            need(bool(value) == bool(stored), "empty value")
            need(len(value) < (1 << 32) - 1, "value is too long")
            as_they_are += stored.startswith(mark)
            key_lengths.append(len(key))
            value_lengths.append(len(value))
        need(sum(value_lengths) == self.value_bytes, "value_bytes")
        need(max(value_lengths) == self.value_len_max, "value_len_max")
        need(as_they_are == self.as_they_are, "as_they_are")
        need(sum(key_lengths) == self.key_bytes, "key_bytes")
        need(max(key_lengths) == self.key_len_max, "key_len_max")
        need(not self.symbols or self.key_len_max <= MAX_ENCODED_KEY, "key is too long")
