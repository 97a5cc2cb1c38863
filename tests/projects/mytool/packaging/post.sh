# The key that machines know each other by, made once.
if [ ! -e /var/lib/mytool/key ]; then
    (umask 077 && head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >/var/lib/mytool/key)
    chown mytool:mytool /var/lib/mytool/key
fi
