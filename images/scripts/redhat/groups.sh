# join_group USER GROUP
join_group() {
    usermod -a -G "$2" "$1" || exit 1
}
