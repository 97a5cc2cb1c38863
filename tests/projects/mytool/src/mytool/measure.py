"""What is measured, and in which units."""

import json
import os
import pkgutil

from mytool import _speedups


def units():
    """The units and their size in bytes."""
    return json.loads(pkgutil.get_data("mytool", "data/units.json").decode("utf-8"))


def load():
    """The load of the machine over one minute."""
    return os.getloadavg()[0]


def checksum(text):
    """The checksum of a text, as sixteen digits."""
    return "{:016x}".format(_speedups.checksum(text.encode("utf-8")))
