# set_owner PATH USER:GROUP MODE
# The archive was unpacked before the user was there. What the administrator decided with
# dpkg-statoverride stays (Debian policy 10.9.1).
set_owner() {
    [ -e "$1" ] || return 0
    if ! dpkg-statoverride --list "$1" >/dev/null 2>&1; then
        chown --no-dereference "$2" "$1"
        chmod "$3" "$1"
    fi
}
