# remove_state FOLDER
# Removes a folder and what is in it, unless dpkg knows of another package with a path there. Of this
# package dpkg remembers the folders that were not empty when it was removed.
remove_state() {
    if [ ! -d "$1" ] || [ -L "$1" ]; then
        return 0
    fi
    if dpkg-query --search "$1" "$1/*" 2>/dev/null | sed 's,: /.*,,' | tr ',' '\n' | tr -d ' ' |
        sed 's/:[a-z0-9-]*$//' | grep -Fqvx -e "$DPKG_MAINTSCRIPT_PACKAGE"; then
        echo "$DPKG_MAINTSCRIPT_PACKAGE: another package has files in $1, so it stays" >&2
    else
        rm -rf "$1"
    fi
}
