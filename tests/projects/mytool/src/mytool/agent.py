"""The daemon that asks other machines."""

import argparse
import signal
import sys
import threading

import requests

from mytool import __version__


def ask(url):
    """One machine's answer, or why there is none, as a line."""
    try:
        answer = requests.get(url, timeout=5)
        answer.raise_for_status()
        return "{}: load {:.2f}".format(url, answer.json()["load"])
    except requests.RequestException as error:
        return "{}: {}".format(url, error)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="mytool-agent", description="Asks other machines what they do."
    )
    parser.add_argument("--version", action="version", version="mytool-agent " + __version__)
    parser.add_argument("--interval", type=float, default=5, metavar="SECONDS")
    parser.add_argument("--once", action="store_true", help="ask each machine once and end")
    parser.add_argument("url", nargs="*", default=["http://127.0.0.1:8400/"])
    chosen = parser.parse_args(arguments)

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.is_set():
        for url in chosen.url:
            print(ask(url), flush=True)
        if chosen.once:
            break
        stop.wait(chosen.interval)
    sys.exit(0)
