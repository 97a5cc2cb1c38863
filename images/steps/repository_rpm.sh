#!/bin/sh
# repository_rpm.sh list | fetch NAME=VERSION…
# Starts repository_rpm.py by the Python that the platform's package manager is written in.
set -u
manager=$(command -v dnf || command -v yum)
python=$(LC_ALL=C sed -n '1s/^#! *\(\/[!-~]*\).*/\1/p' "$manager")
if [ -z "$python" ]; then
    echo "repository: fault \`$manager\` is neither dnf 4 nor yum"
    exit 1
fi
exec "$python" /omnibuild/repository_rpm.py "$@"
