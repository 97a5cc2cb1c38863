# remove_state FOLDER
remove_state() {
    if [ -d "$1" ] && [ ! -L "$1" ]; then
        rm -rf "$1"
    fi
}
