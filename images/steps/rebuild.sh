#!/bin/sh
# rebuild.sh COMMAND WORD...: on this machine, not in a container.
# Runs the command with a strict umask, on one processor and under another host name where the
# machine lets it. Says on standard output what is so: `varied: NAME`.
umask 077
echo 'varied: umask'
for processor in 0 1 2 3; do
    if taskset -c "$processor" true 2>/dev/null; then
        set -- taskset -c "$processor" "$@"
        echo 'varied: number of processors'
        break
    fi
done
if unshare --uts true 2>/dev/null && command -v hostname >/dev/null; then
    # shellcheck disable=SC2016 # the inner shell's words
    set -- unshare --uts /bin/sh -c 'hostname omnibuild-rebuild; exec "$0" "$@"' "$@"
    echo 'varied: host name'
fi
exec "$@"
