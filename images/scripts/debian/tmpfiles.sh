# create_temporary FILE
create_temporary() {
    if command -v systemd-tmpfiles >/dev/null 2>&1; then
        systemd-tmpfiles --create "$1" || true
    fi
}
