# remove_state FOLDER
# Stays where another package has it too: one that took this one's place.
remove_state() {
    if [ ! -d "$1" ] || [ -L "$1" ]; then
        return 0
    fi
    if dpkg-query --search "$1" 2>/dev/null | sed 's/: .*//' | tr -d ' ' | tr ',' '\n' |
        grep -qvxF "$DPKG_MAINTSCRIPT_PACKAGE"; then
        return 0
    fi
    rm -rf "$1"
}
