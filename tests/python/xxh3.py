"""XXH3-128 (Yann Collet) with seed 0 of more than 240 bytes, which the content of every table has."""

import struct

M64 = (1 << 64) - 1
P32 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
       0x27D4EB2F165667C5)
SECRET = bytes.fromhex("""
    b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221
    b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8
    a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb
    170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e
""")

def fold(a, b):
    return (a * b & M64) ^ (a * b >> 64)

def words(data, at, count=8):
    return struct.unpack_from(f"<{count}Q", data, at)

def merged(acc, at, start):
    secret = words(SECRET, at)
    for i in range(0, 8, 2):
        start += fold(acc[i] ^ secret[i], acc[i + 1] ^ secret[i + 1])
    start &= M64
    start = (start ^ start >> 37) * 0x165667919E3779F9 & M64
    return start ^ start >> 32

def xxh3_128(data):
    """The hash as 16 bytes."""
    acc = [P32[2], P64[0], P64[1], P64[2], P64[3], P32[1], P64[4], P32[0]]

    def stripe(at, secret_at):
        for i, (value, key) in enumerate(zip(words(data, at), words(SECRET, secret_at))):
            key ^= value
            acc[i ^ 1] += value
            acc[i] = acc[i] + (key & 0xFFFFFFFF) * (key >> 32)

    last = (len(data) - 1) // 64
    for number in range(last):
        stripe(64 * number, 8 * (number % 16))
        if number % 16 == 15:
            for i, key in enumerate(words(SECRET, 128)):
                lane = acc[i] & M64
                acc[i] = (lane ^ lane >> 47 ^ key) * P32[0] & M64
    stripe(len(data) - 64, 121)
    acc = [lane & M64 for lane in acc]
    low = merged(acc, 11, len(data) * P64[0] & M64)
    high = merged(acc, 117, ~(len(data) * P64[1]) & M64)
    return struct.pack("<QQ", low, high)
