complete -c mytool -f -a "selfcheck checksum"
