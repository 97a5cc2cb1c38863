# bash completion for mytool
complete -W "selfcheck checksum --help --version" mytool
