"""The daemon that answers questions about this machine over HTTP."""

import argparse
import http.server
import json
import signal
import sys

from mytool import __version__, measure


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"version": __version__, "load": measure.load()}).encode("utf-8")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="mytool-control", description="Answers questions about this machine over HTTP."
    )
    parser.add_argument(
        "--version", action="version", version="mytool-control " + __version__
    )
    parser.add_argument("--listen", default="127.0.0.1:8400", metavar="ADDRESS:PORT")
    chosen = parser.parse_args(arguments)

    address, _, port = chosen.listen.rpartition(":")
    server = http.server.HTTPServer((address, int(port)), Answers)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("mytool-control: listening on {}:{}".format(*server.server_address), flush=True)
    server.serve_forever()
