# SPDX-License-Identifier: Apache-2.0
"""What lies in the files of a data folder, and a journal's bytes changed as no disk would: with all checksums right.

RocksDB's log: blocks of 32 KiB of frames `CRC-32C, masked:32 | length:16 | type:8`, little-endian; the frames of one
write put together are a batch: `sequence:64 | count:32`, then records `tag | column family | key | value`. A value ends
with a checksum of this project's own (storage/codec.c). CRCs are linear: what a change of bytes does to one follows
from the changed bits alone, whatever it was seeded with.
"""
import base64
import os
from pathlib import Path

BLOCK = 32768
HEADER = 7
MASK_DELTA = 0xA282EAD8
WRAPPED_KEY_BYTES = 73
SEALED_OVERHEAD = 33


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = _crc_table()


def crc_of_change(before, after):
    """What is to be added (xor) to the CRC-32C of `before`, whatever precedes it, to make it that of `after`."""
    crc = 0
    for old, new in zip(before, after, strict=True):
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ old ^ new) & 0xFF]
    return crc


def unmask(masked):
    rotated = (masked - MASK_DELTA) & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF


def mask(crc):
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


class Write:
    """One batch: its bytes, and where they lie in the file."""

    def __init__(self):
        self.data = bytearray()
        self.places = []  # of each byte

    def entries(self):
        """(key, start of the value, its end) of what is put; deletions are passed over."""
        at = 12
        while at < len(self.data):
            tag = self.data[at]
            at += 1
            if tag in (0x04, 0x05, 0x08, 0x0E):
                _, at = _varint(self.data, at)
            parts = []
            for _ in range({0x0D: 0, 0x00: 1, 0x03: 1, 0x04: 1, 0x07: 1, 0x08: 1}.get(tag, 2)):
                length, at = _varint(self.data, at)
                parts.append((at, at + length))
                at += length
            if tag in (0x01, 0x05):
                yield bytes(self.data[slice(*parts[0])]), *parts[1]


class Log:
    """One file of the journal's log."""

    def __init__(self, path):
        self.path = Path(path)
        self.bytes = bytearray(self.path.read_bytes())
        self.frames, self.writes = [], []
        at, write = 0, None
        while at + HEADER <= len(self.bytes):
            if BLOCK - at % BLOCK < HEADER:
                at += BLOCK - at % BLOCK
                continue
            length, kind = int.from_bytes(self.bytes[at + 4:at + 6], "little"), self.bytes[at + 6]
            if kind == 0:
                break
            if kind > 4:
                raise AssertionError(f"{path}: a frame of type {kind}")
            start = at + HEADER
            if kind in (1, 2):
                write = Write()
            write.data += self.bytes[start:start + length]
            write.places += range(start, start + length)
            self.frames.append((at, start, start + length))
            if kind in (1, 4):
                self.writes.append(write)
            at = start + length

    def values(self):
        for write in self.writes:
            for key, start, end in write.entries():
                yield key, bytes(write.data[start:end])

    def change(self, key_start, old, new):
        """Puts `new` for `old` in every value whose key begins so; gives how many there were."""
        changed = 0
        for write in self.writes:
            for key, start, end in list(write.entries()):
                value = bytes(write.data[start:end])
                if not key.startswith(key_start) or old not in value:
                    continue
                body = value[:-5].replace(old, new)
                crc = int.from_bytes(value[-4:], "big") ^ crc_of_change(value[:-5], body)
                write.data[start:end] = body + value[-5:-4] + crc.to_bytes(4, "big")
                changed += 1
        return changed

    def write(self):
        before = bytes(self.bytes)
        for write in self.writes:
            for place, byte in zip(write.places, write.data, strict=True):
                self.bytes[place] = byte
        for at, start, end in self.frames:
            crc = unmask(int.from_bytes(before[at:at + 4], "little"))
            crc ^= crc_of_change(before[start:end], self.bytes[start:end])
            self.bytes[at:at + 4] = mask(crc).to_bytes(4, "little")
        self.path.write_bytes(self.bytes)


def logs(data):
    return [Log(path) for path in sorted(Path(data).rglob("[0-9]*.log"))]


def place_of(person):
    """The beginning of the keys of an account's records: partition and number, as in its session's token."""
    return base64.urlsafe_b64decode(person.token[3:])[:6]


def wrapped_key(data, person):
    """The newest wrapped data key of an account in the log."""
    found = None
    for log in logs(data):
        for key, value in log.values():
            at = value.find(bytes((0xC4, WRAPPED_KEY_BYTES, 1)))
            if key.startswith(place_of(person)) and at >= 0:
                found = value[at + 2:at + 2 + WRAPPED_KEY_BYTES]
    if found is None:
        raise AssertionError("no wrapped key in the log")
    return found


def sealed(data, person, length):
    """The newest sealed value of so many bytes in clear, of an account that has one."""
    head, found = b"\x01" + wrapped_key(data, person)[1:5], None
    wanted = (length + SEALED_OVERHEAD).to_bytes(2, "big") + head
    for log in logs(data):
        for key, value in log.values():
            at = value.find(wanted)
            if key.startswith(place_of(person)) and at >= 0:
                found = value[at + 2:at + 2 + length + SEALED_OVERHEAD]
    if found is None:
        raise AssertionError(f"no sealed value of {length} bytes")
    return found


def sealed_values(data, person, length):
    """All sealed values of so many bytes in clear in an account's records, each once."""
    size, found = length + SEALED_OVERHEAD, []
    head = bytes((size & 0xFF, 1)) + wrapped_key(data, person)[1:5]  # behind the last byte of its length
    for log in logs(data):
        for key, value in log.values():
            at = value.find(head) if key.startswith(place_of(person)) else -1
            while at >= 0:
                one = value[at + 1:at + 1 + size]
                if len(one) == size and one not in found:
                    found.append(one)
                at = value.find(head, at + 1)
    return found


def exchange(data, person, first, second):
    """Puts each of two values, of the same length, in the other's place, wherever in the account's records."""
    log, aside = logs(data)[-1], os.urandom(len(first))
    for old, new in ((first, aside), (second, first), (aside, second)):
        if len(old) != len(new) or not log.change(place_of(person), old, new):
            raise AssertionError("nothing to be exchanged")
    log.write()


def files_with(folder, *needles):
    """{needle: files of the folder that have it}: as it is, in any case, in hexadecimal, in base64, in UTF-16."""
    forms = {needle: spellings(needle) for needle in needles}
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        if not path.is_file():
            continue
        try:
            text = path.read_bytes().lower()
        except FileNotFoundError:  # the store replaces its files while one looks
            continue
        for needle, spelt in forms.items():
            if any(form in text for form in spelt):
                found.setdefault(needle, []).append(str(path.relative_to(folder)))
    return found


def spellings(needle):
    raw = needle.encode() if isinstance(needle, str) else bytes(needle)
    forms = {raw, raw.hex().encode()}
    if isinstance(needle, str):
        forms.add(needle.encode("utf-16-le"))
        forms.add(b"".join(b"\\u%04x" % ord(letter) for letter in needle))
    for shift in range(3):  # what base64 makes of it inside of something longer
        text = base64.b64encode(b"\0" * shift + raw)
        forms.add(text[4 if shift else 0:-4])
    return {form.lower() for form in forms if len(form) >= 6}
