#!/bin/sh
# lint.sh
# Runs lintian and rpmlint over the packages in each folder of /omnibuild/packages. Before the lines of
# a folder stands `folder: NAME TOOL`, at the end `end`, so that a tool that died is noticed.
set -u
cd /omnibuild/packages || exit 1
for folder in *; do
    set -- "$folder"/*.deb
    if [ -e "$1" ]; then
        echo "folder: $folder lintian"
        lintian --allow-root --no-cfg --profile debian --display-info --pedantic \
            --tag-display-limit 0 --fail-on none "$@" || exit 1
    fi
    set -- "$folder"/*.rpm
    if [ -e "$1" ]; then
        echo "folder: $folder rpmlint"
        rpmlint -c /usr/lib/omnibuild/rpmlint.toml "$@"
        status=$?
        # 64: errors were found, 66: too much badness.
        case $status in
        0 | 64 | 66) ;;
        *) exit 1 ;;
        esac
    fi
done
echo end
