"""An S3 server on loopback with a bucket `cache`, until standard input ends; prints its address."""

import http.client
import logging
import sys

from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
connection = http.client.HTTPConnection(host, port)
connection.request("PUT", "/cache")
assert connection.getresponse().status == 200
print(f"{host}:{port}", flush=True)
sys.stdin.read()
