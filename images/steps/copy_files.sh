#!/bin/sh
# copy_files.sh FROM DESTINATION OWNER MODE
# Copies what FROM/list names, one a line as `folder PATH`, `link PATH` or `file PATH`, out of FROM/files to DESTINATION:
# below it where it ends with `/` or is a folder already. OWNER (user[:group]) and MODE (octal) are those of what is new;
# where they are empty, it is root's and as FROM/files has it. Folders that are there stay as they are.
set -eu
umask 022
from=$1 destination=$2 owner=$3 mode=$4

# A user alone brings the group of the same number, as in a Dockerfile.
case $owner in
'' | *:*) ;;
*[!0-9]*) owner=$owner:$(id -u "$owner") ;;
*) owner=$owner:$owner ;;
esac

own() {
    [ -z "$owner" ] || chown -h "$owner" "$1"
}
settle() {
    own "$1"
    [ -z "$mode" ] || [ -L "$1" ] || chmod "$mode" "$1"
}
make_folder() {
    if [ -z "$1" ] || [ -d "$1" ]; then
        return
    fi
    make_folder "${1%/*}"
    mkdir "$1"
    own "$1"
}

if [ -d "$destination" ]; then
    destination=${destination%/}/
fi
case $destination in
*/) make_folder "${destination%/}" ;;
esac
while IFS= read -r entry; do
    kind=${entry%% *} path=${entry#* }
    case $destination in
    */) target=$destination$path ;;
    *) target=$destination ;;
    esac
    if [ "$kind" = folder ]; then
        if [ ! -d "$target" ]; then
            make_folder "$target"
            settle "$target"
        fi
        continue
    fi
    make_folder "${target%/*}"
    rm -f "$target"
    cp -P -p "$from/files/$path" "$target"
    settle "$target"
done <"$from/list"
