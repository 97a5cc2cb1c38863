#!/bin/sh
# settle_database.sh FAMILY STARTED INSTEAD PREFIX
# Gives packages that were installed after STARTED (seconds since 1970) the time INSTEAD, where the package
# manager's database has times: rpm's. dpkg's has none. Without a Python that reads it, it stays as it is.
set -eu
family=$1 started=$2 instead=$3 prefix=$4

settle_debian() { :; }
settle_redhat() {
    for database in /usr/lib/sysimage/rpm/rpmdb.sqlite /var/lib/rpm/rpmdb.sqlite /var/lib/rpm/Packages; do
        [ -f "$database" ] && [ ! -L "${database%/*}" ] || continue
        for python in /usr/libexec/platform-python /usr/bin/python python3 "$prefix/bin/python"; do
            if "$python" -E -s -c 'import sqlite3' 2>/dev/null; then
                # What Berkeley DB has in memory between two programs.
                rm -f /var/lib/rpm/__db.00?
                "$python" -E -s -B /omnibuild/settle_database.py "$database" "$started" "$instead"
                return
            fi
        done
    done
}

"settle_$family"
