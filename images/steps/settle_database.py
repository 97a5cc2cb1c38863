"""settle_database.py DATABASE STARTED INSTEAD: times of installations in rpm's database.

Headers are rpm's own, as its file format has them: two numbers, an index of 16 bytes for each tag, data.
A time keeps its place and length, so nothing else of a header changes. Runs on Python 2.7, which is
what el7 has.
"""

import os
import sqlite3
import struct
import sys

# INSTALLTIME and INSTALLTID
TIMES = (1008, 1128)
INT32 = 4


def settled(header, started, instead):
    """The header with these times, and the transaction it had; None where it is older."""
    header = bytearray(header)
    tags, _ = struct.unpack_from(">II", header)
    data = 8 + 16 * tags
    transaction = None
    for number in range(tags):
        tag, kind, offset, _ = struct.unpack_from(">IIII", header, 8 + 16 * number)
        if tag not in TIMES or kind != INT32:
            continue
        (time,) = struct.unpack_from(">I", header, data + offset)
        if time < started:
            return None
        if tag == TIMES[1]:
            transaction = time
        struct.pack_into(">I", header, data + offset, instead)
    return bytes(header), transaction


def settle_sqlite(path, started, instead):
    """rpm 4.16 and newer: a table of headers, and an index of transactions that may share a time."""
    # VACUUM is no part of a transaction.
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("BEGIN")
    for number, header in database.execute("SELECT hnum, blob FROM Packages").fetchall():
        changed = settled(header, started, instead)
        if changed is None:
            continue
        header, transaction = changed
        database.execute("UPDATE Packages SET blob = ? WHERE hnum = ?", (header, number))
        if transaction is None:
            continue
        for order in "<>":
            old, new = (struct.pack(order + "I", time) for time in (transaction, instead))
            database.execute(
                "UPDATE Installtid SET key = ? WHERE key = ? AND hnum = ?", (new, old, number)
            )
    database.execute("COMMIT")
    database.execute("VACUUM")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    database.close()


class Berkeley:
    """A file of Berkeley DB, hash or btree, of a little-endian machine (its dbinc/db_page.h)."""

    MAGIC = {b"\x61\x15\x06\x00": "hash", b"\x62\x31\x05\x00": "btree"}
    HEADER = 26
    # Kinds of pages, and of what lies on them.
    FREE_PAGE, BTREE_INNER, BTREE_LEAF, OVERFLOW_PAGE = 0, 3, 5, 7
    HASH_PAGES = (2, 13)
    HERE, OVERFLOW = 1, 3

    def __init__(self, path):
        """`kind` is None where it is missing, or is none, or has checksums or is encrypted, as rpm's is not."""
        self.path = path
        self.bytes = bytearray()
        if os.path.isfile(path):
            with open(path, "rb") as file:
                self.bytes = bytearray(file.read())
        self.kind, self.before = None, bytes(self.bytes)
        if len(self.bytes) < 512 or self.bytes[24] or self.bytes[26] & 1:
            return
        (self.page_size,) = struct.unpack_from("<I", self.bytes, 20)
        if self.page_size in [1 << power for power in range(9, 17)]:
            self.kind = self.MAGIC.get(bytes(self.bytes[12:16]))

    def save(self):
        """The file stays the same one, with its owner and mode; and with its time, where nothing is another."""
        if self.bytes != self.before:
            with open(self.path, "r+b") as file:
                file.write(self.bytes)

    def pages(self, kinds):
        """Where the pages of these kinds begin, and how many items each has."""
        for page in range(self.page_size, len(self.bytes) - self.page_size + 1, self.page_size):
            if self.bytes[page + 25] in kinds:
                yield page, struct.unpack_from("<H", self.bytes, page + 20)[0]

    def offsets(self, page, count):
        """Where the items of a page lie on it."""
        return struct.unpack_from("<%dH" % count, self.bytes, page + self.HEADER)

    def hash_values(self):
        """For each value of a hash: the places that it lies at, begin and end, in turn."""
        for page, count in self.pages(self.HASH_PAGES):
            ends = (self.page_size,) + self.offsets(page, count)
            for begin, end in zip(ends[2::2], ends[1::2]):
                kind = self.bytes[page + begin]
                if kind == self.HERE:
                    yield [(page + begin + 1, page + end)]
                elif kind == self.OVERFLOW:
                    yield list(self.chain(struct.unpack_from("<I", self.bytes, page + begin + 4)[0]))

    def chain(self, number):
        """The places of what is too large for a page."""
        while number:
            page = number * self.page_size
            number, _, length = struct.unpack_from("<IHH", self.bytes, page + 16)
            yield page + self.HEADER, page + self.HEADER + length

    def item(self, place):
        """A key or value of a btree's leaf, with its length and kind before it; None for another kind."""
        length, kind = struct.unpack_from("<HB", self.bytes, place)
        if kind == self.OVERFLOW:
            length = 9
        elif kind != self.HERE:
            return None
        return bytes(self.bytes[place : place + 3 + length])

    def write_leaf(self, page, items):
        """Puts these items onto a leaf, in their order; answers whether they fit."""
        starts, end = [], self.page_size
        for item in items:
            end -= (len(item) + 3) // 4 * 4
            starts.append(end)
        index = struct.pack("<%dH" % len(starts), *starts)
        begin = self.HEADER + len(index)
        if end < begin:
            return False
        body = bytearray(end - begin)
        for item in reversed(items):
            body += item + bytes(bytearray(-len(item) % 4))
        self.bytes[page + self.HEADER : page + self.page_size] = index + body
        struct.pack_into("<HH", self.bytes, page + 20, len(starts), end)
        return True

    def clear_unused(self):
        """Clears what no page uses, which has whatever was in memory there, or lay on the page before."""
        kinds = (self.FREE_PAGE, self.BTREE_INNER, self.BTREE_LEAF, self.OVERFLOW_PAGE) + self.HASH_PAGES
        for page, count in self.pages(kinds):
            kind = self.bytes[page + 25]
            # Of a page of items: where they begin; the number has no room for the largest page. Of the others: the length.
            (used,) = struct.unpack_from("<H", self.bytes, page + 22)
            if kind == self.FREE_PAGE:
                self.clear(page + self.HEADER, page + self.page_size)
            elif kind == self.OVERFLOW_PAGE:
                self.clear(page + self.HEADER + used, page + self.page_size)
            else:
                self.clear(page + self.HEADER + 2 * count, page + (used or self.page_size))
                for offset in self.offsets(page, count):
                    self.clear_padding(kind, page + offset)

    def clear_padding(self, kind, place):
        """The same inside of an item, by the kind of its page."""
        if kind in self.HASH_PAGES:
            if self.bytes[place] == self.OVERFLOW:
                self.clear(place + 1, place + 4)
        elif kind == self.BTREE_INNER:
            self.clear(place + 3, place + 4)
        elif self.bytes[place + 2] == self.OVERFLOW:
            self.clear(place, place + 2)
            self.clear(place + 3, place + 4)
        elif self.bytes[place + 2] == self.HERE:
            (length,) = struct.unpack_from("<H", self.bytes, place)
            self.clear(place + 3 + length, place + (3 + length + 3) // 4 * 4)

    def clear(self, begin, end):
        """Zeros from here to there."""
        if begin < end:
            self.bytes[begin:end] = bytearray(end - begin)


def merged(index, values):
    """One value of those of several transactions; None where it would have a page of its own, or one has."""
    if len(values) == 1:
        return values[0]
    packages = []
    for value in values:
        # The number of a header, and that of a value in it, for each package. What is elsewhere has 12 bytes here.
        if len(value) % 8 != 3:
            return None
        numbers = struct.unpack("<%dI" % ((len(value) - 3) // 4), value[3:])
        packages += zip(numbers[::2], numbers[1::2])
    data = b"".join(struct.pack("<II", *pair) for pair in sorted(packages))
    # That is from a quarter of a page on.
    if len(data) > index.page_size // 5:
        return None
    return struct.pack("<HB", len(data), index.HERE) + data


def settle_transactions(index, started, instead):
    """Gives the new transactions of a btree this time, as one; answers whether that could be done.

    What is not as rpm writes it for an image stays: better a digest of its own than a broken database.
    """
    leaves = list(index.pages((index.BTREE_LEAF,))) if index.kind == "btree" else []
    if len(leaves) != 1:
        return False
    ((leaf, count),) = leaves
    items = [index.item(leaf + offset) for offset in index.offsets(leaf, count)]
    # A key is four bytes.
    if None in items or any(len(key) != 7 for key in items[::2]):
        return False
    together = {}
    for key, value in zip(items[::2], items[1::2]):
        (time,) = struct.unpack_from("<I", key, 3)
        together.setdefault(instead if time >= started else time, []).append(value)
    key = struct.pack("<HB", 4, index.HERE)
    pairs = [(key + struct.pack("<I", time), merged(index, values)) for time, values in together.items()]
    if any(value is None for _, value in pairs):
        return False
    # Berkeley DB sorts keys by their bytes.
    return index.write_leaf(leaf, [item for pair in sorted(pairs) for item in pair])


def settle_berkeley(path, started, instead):
    """rpm before 4.16: a hash of headers, a btree of transactions, and other files, which have no times."""
    folder = os.path.dirname(path)
    files = dict((name, Berkeley(os.path.join(folder, name))) for name in os.listdir(folder))
    files = dict((name, file) for name, file in files.items() if file.kind)
    headers, index = (files.get(name) for name in ("Packages", "Installtid"))
    if headers and index and headers.kind == "hash" and settle_transactions(index, started, instead):
        for places in headers.hash_values():
            header = bytearray().join(headers.bytes[begin:end] for begin, end in places)
            # The first value counts packages.
            changed = settled(header, started, instead) if len(header) > 4 else None
            if changed is None:
                continue
            done = 0
            for begin, end in places:
                headers.bytes[begin:end] = changed[0][done : done + end - begin]
                done += end - begin
    for file in files.values():
        file.clear_unused()
        file.save()


def main(path, started, instead):
    settle = settle_sqlite if path.endswith(".sqlite") else settle_berkeley
    settle(path, started, instead)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
