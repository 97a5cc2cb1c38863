# preset_units UNIT...
# The first installation enables what the presets say (systemd.preset(5)).
preset_units() {
    if command -v systemctl >/dev/null 2>&1; then
        systemctl --no-reload preset "$@" >/dev/null 2>&1 || :
    fi
}
