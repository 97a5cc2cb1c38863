# join_group USER GROUP
join_group() {
    usermod --append --groups "$2" "$1"
}
