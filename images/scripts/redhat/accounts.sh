# create_group NAME
create_group() {
    getent group "$1" >/dev/null || groupadd -r "$1" || exit 1
}

# create_user NAME HOME SHELL REAL-NAME
create_user() {
    getent passwd "$1" >/dev/null || useradd -r -g "$1" -d "$2" -M -s "$3" -c "$4" "$1" || exit 1
}
