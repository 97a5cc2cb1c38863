# note_unit UNIT
# Does not enable it, but keeps the links of an administrator who did.
note_unit() {
    command -v deb-systemd-helper >/dev/null 2>&1 || return 0
    if deb-systemd-helper debian-installed "$1"; then
        deb-systemd-helper unmask "$1" >/dev/null || true
        if deb-systemd-helper --quiet was-enabled "$1"; then
            deb-systemd-helper enable "$1" >/dev/null || true
        fi
    fi
    deb-systemd-helper update-state "$1" >/dev/null || true
}
