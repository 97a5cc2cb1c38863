# accounts_by_systemd FILE
# Makes the users and groups of a file in sysusers.d; fails where systemd is not at hand.
accounts_by_systemd() {
    command -v systemd-sysusers >/dev/null 2>&1 || return 1
    systemd-sysusers "$1"
}

# create_group NAME
create_group() {
    getent group "$1" >/dev/null || groupadd --system "$1"
}

# create_user NAME HOME SHELL REAL-NAME
create_user() {
    getent passwd "$1" >/dev/null || useradd --system --gid "$1" --home-dir "$2" \
        --no-create-home --shell "$3" --comment "$4" "$1"
}
