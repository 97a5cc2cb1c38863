# -*- coding: utf-8 -*-
"""The program, in words of Python 2 that no later Python takes."""

import ConfigParser
import os
import subprocess
import sys

import markupsafe
import requests
import six


def selfcheck():
    """Where everything comes from, also for a program that this one starts."""
    assert sys.version_info[:2] == (2, 7) and six.PY2
    assert sys.prefix == "/opt/bygone", sys.prefix
    assert sys.executable.startswith("/opt/bygone/bin/python"), sys.executable
    for module in (requests, markupsafe, six):
        assert module.__file__.startswith("/opt/bygone/lib/python2.7/site-packages/"), module
    from markupsafe import _speedups

    assert _speedups.__file__.endswith(".so")
    for module in (os, subprocess, ConfigParser):
        assert not module.__file__.startswith("/opt/"), module
    foreign = [folder for folder in sys.path if folder.endswith("-packages") and not folder.startswith("/opt/bygone/")]
    assert not foreign, foreign
    child = subprocess.check_output([sys.executable, "-c", "import six, sys; sys.stdout.write(sys.prefix)"])
    assert child == "/opt/bygone", child
    # What this one is must not reach other Pythons.
    other = subprocess.check_output(["/usr/bin/python2.7", "-c", "import sys; sys.stdout.write(sys.prefix)"])
    assert other == "/usr", other
    print "ok"


def main():
    if sys.argv[1:] == ["--version"]:
        print "bygone 2.0.1"
    elif sys.argv[1:] == ["selfcheck"]:
        selfcheck()
    else:
        print unicode(markupsafe.escape(u" ".join(word.decode("utf-8") for word in sys.argv[1:]))).encode("utf-8")
    return 0
