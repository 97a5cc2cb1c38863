"""The program."""

from __future__ import print_function

import pkgutil
import sys

import six


def main():
    version = pkgutil.get_data("oldstyle", "VERSION").decode("ascii").strip()
    words = six.text_type(" ").join(sys.argv[1:])
    print("oldstyle", version) if words == "--version" else print(words)
    return 0
