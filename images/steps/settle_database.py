"""settle_database.py DATABASE STARTED INSTEAD: times of installations in rpm's database.

Headers are rpm's own, as its file format has them: two numbers, an index of 16 bytes for each tag, data.
A time keeps its place and length, so nothing else of a header changes. Runs on Python 2.7, which is
what el7 has.
"""

import sqlite3
import struct
import sys

# INSTALLTIME and INSTALLTID
TIMES = (1008, 1128)
INT32 = 4


def settled(header, started, instead, transactions):
    """The header with these times, and the transaction it had; None where it is older.

    The time of a transaction becomes what `transactions` has for it, otherwise the same as the package's.
    """
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
        other = instead
        if tag == TIMES[1]:
            transaction = time
            other = transactions.get(time, instead)
        struct.pack_into(">I", header, data + offset, other)
    return bytes(header), transaction


def settle_sqlite(path, started, instead):
    """rpm 4.16 and newer: a table of headers, and an index of transactions that may share a time."""
    # VACUUM is no part of a transaction.
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("BEGIN")
    for number, header in database.execute("SELECT hnum, blob FROM Packages").fetchall():
        changed = settled(header, started, instead, {})
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
    HASH_PAGES, OVERFLOW_PAGE, BTREE_LEAF = (2, 13), 7, 5
    HASH_HERE, HASH_OVERFLOW = 1, 3
    BTREE_HERE = 1

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = bytearray(file.read())
        self.path = path
        self.kind = self.MAGIC.get(bytes(self.bytes[12:16]))
        (self.page_size,) = struct.unpack_from("<I", self.bytes, 20)

    def save(self):
        """The file stays the same one: rpm's environment knows it by its number."""
        with open(self.path, "r+b") as file:
            file.write(self.bytes)

    def pages(self, kinds):
        """Where the pages of these kinds begin, and how many items each has."""
        for page in range(self.page_size, len(self.bytes), self.page_size):
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
                if kind == self.HASH_HERE:
                    yield [(page + begin + 1, page + end)]
                elif kind == self.HASH_OVERFLOW:
                    # Padding, which has whatever was in memory there.
                    self.bytes[page + begin + 1 : page + begin + 4] = bytearray(3)
                    yield list(self.chain(struct.unpack_from("<I", self.bytes, page + begin + 4)[0]))

    def chain(self, number):
        """The places of what is too large for a page."""
        while number:
            page = number * self.page_size
            number, _, length = struct.unpack_from("<IHH", self.bytes, page + 16)
            yield page + self.HEADER, page + self.HEADER + length

    def leaves(self):
        """The leaf pages of a btree, with how many items each has."""
        return list(self.pages((self.BTREE_LEAF,)))


def settle_berkeley(path, started, instead):
    """rpm before 4.16: a hash of headers, and a btree of transactions, each of which has a time of its own."""
    headers, index = Berkeley(path), Berkeley(path.replace("Packages", "Installtid"))
    leaves = index.leaves()
    if headers.kind != "hash" or index.kind != "btree" or len(leaves) != 1:
        # Nothing that rpm wrote for an image: better a digest of its own than a broken database.
        return
    ((leaf, count),) = leaves
    offsets = index.offsets(leaf, count)
    # A key is its length, its kind, and four bytes.
    keys = [struct.unpack_from("<HBI", index.bytes, leaf + offset) for offset in offsets[::2]]
    if any((length, kind) != (4, index.BTREE_HERE) for length, kind, _ in keys):
        return
    times = [time for _, _, time in keys]
    taken = set(time for time in times if time < started)
    if taken == set(times):
        return
    transactions = {}
    for time in sorted(set(times) - taken):
        other = instead
        while other in taken:
            other += 1
        taken.add(other)
        transactions[time] = other
    pairs = []
    for key, value in zip(offsets[::2], offsets[1::2]):
        (time,) = struct.unpack_from("<I", index.bytes, leaf + key + 3)
        struct.pack_into("<I", index.bytes, leaf + key + 3, transactions.get(time, time))
        # Berkeley DB sorts keys by their bytes.
        pairs.append((bytes(index.bytes[leaf + key + 3 : leaf + key + 7]), key, value))
    sorted_offsets = [offset for _, key, value in sorted(pairs) for offset in (key, value)]
    struct.pack_into("<%dH" % count, index.bytes, leaf + index.HEADER, *sorted_offsets)
    for places in headers.hash_values():
        header = bytearray().join(headers.bytes[begin:end] for begin, end in places)
        # The first value counts packages.
        changed = settled(header, started, instead, transactions) if len(header) > 4 else None
        if changed is None:
            continue
        done = 0
        for begin, end in places:
            headers.bytes[begin:end] = changed[0][done : done + end - begin]
            done += end - begin
    index.save()
    headers.save()


def main(path, started, instead):
    settle = settle_sqlite if path.endswith(".sqlite") else settle_berkeley
    settle(path, started, instead)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
