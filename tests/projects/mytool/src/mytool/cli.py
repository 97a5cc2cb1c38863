"""The command line program."""

import argparse
import os
import sys

from mytool import __version__, measure


def configuration():
    """The path of the sample configuration that is installed with the program."""
    return os.path.join(sys.prefix, "share", "mytool", "mytool.conf")


def selfcheck():
    """Uses everything that must have been installed with the program."""
    import click
    import markupsafe
    import requests

    assert measure.checksum("") == "cbf29ce484222325", "the C extension counts wrongly"
    assert measure.units()["kilobytes"] == 1000, "the data file is not the right one"
    assert str(markupsafe.escape("<")) == "&lt;"
    assert requests.Request("GET", "http://localhost/").prepare().url == "http://localhost/"
    assert click.unstyle(click.style("ok", bold=True)) == "ok"
    with open(configuration()) as lines:
        assert "listen" in lines.read(), "the configuration is not the right one"
    print("ok")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="mytool", description="Reports what a machine does.")
    parser.add_argument("--version", action="version", version="mytool " + __version__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("load", help="print the load of this machine")
    checksum = commands.add_parser("checksum", help="print the checksum of a text")
    checksum.add_argument("text")
    commands.add_parser("selfcheck", help="check the installation")
    chosen = parser.parse_args(arguments)

    if chosen.command == "load":
        print(measure.load())
    elif chosen.command == "checksum":
        print(measure.checksum(chosen.text))
    elif chosen.command == "selfcheck":
        selfcheck()
    else:
        parser.error("a command is needed")
    return 0
