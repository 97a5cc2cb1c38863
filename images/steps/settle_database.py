"""settle_database.py DATABASE STARTED INSTEAD: times of installations in rpm's database.

Headers are rpm's own, as its file format has them: two numbers, an index of 16 bytes for each tag, data.
A time keeps its place and length, so nothing else of a header changes.
"""

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


def main(path, started, instead):
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


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
