# invoke_units ACTION UNIT...
# Only where systemd runs, and only what policy-rc.d allows.
invoke_units() {
    if [ -d /run/systemd/system ]; then
        deb-systemd-invoke "$@" >/dev/null || true
    fi
}
