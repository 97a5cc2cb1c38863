#!/bin/sh
# settle_database.sh FAMILY STARTED INSTEAD PREFIX
# Gives packages that were installed after STARTED (seconds since 1970) the time INSTEAD, where the package
# manager's database has times: rpm's. dpkg's has none. Without a Python that reads it, it stays as it is.
set -eu
family=$1 started=$2 instead=$3 prefix=$4

settle_debian() { :; }
settle_redhat() {
    for database in /usr/lib/sysimage/rpm/rpmdb.sqlite /var/lib/rpm/rpmdb.sqlite; do
        [ -f "$database" ] && [ ! -L "${database%/*}" ] || continue
        for python in /usr/libexec/platform-python python3 "$prefix/bin/python"; do
            if "$python" -I -c 'import sqlite3' 2>/dev/null; then
                "$python" -I -B /omnibuild/settle_database.py "$database" "$started" "$instead"
                return
            fi
        done
    done
}

"settle_$family"
