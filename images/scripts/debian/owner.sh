# set_owner PATH USER:GROUP MODE
# The archive was unpacked before the user was there, and without setuid bits. What the administrator
# decided with dpkg-statoverride stays (Debian policy 10.9.1), and so does a link that he made: chmod
# would change what it leads to.
set_owner() {
    if [ -L "$1" ] || [ ! -e "$1" ]; then
        return 0
    fi
    if ! dpkg-statoverride --list "$1" >/dev/null 2>&1; then
        chown --no-dereference "$2" "$1"
        chmod "$3" "$1"
    fi
}
