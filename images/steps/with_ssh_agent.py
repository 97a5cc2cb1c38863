"""Runs a command that can ask the user's ssh-agent, which is elsewhere.

Arguments: the command. It gets SSH_AUTH_SOCK, a socket where this script listens, and as GIT_SSH the `ssh`
that lies beside that with the known hosts. What comes to the socket goes out by standard output, and the
answers come in by standard input, in frames: the number of a connection and that of the bytes, four bytes
each, the highest first, then the bytes; none of them: the connection is closed. What the command prints
goes to standard error. The exit status is that of the command. Runs on Python 3.5 and newer.
"""

import os
import socket
import struct
import subprocess
import sys
import threading

FOLDER = "/omnibuild/ssh"
SOCKET = os.path.join(FOLDER, "agent.sock")

writing = threading.Lock()
connections = {}


def send(number, content):
    frame = struct.pack(">II", number, len(content)) + content
    with writing:
        while frame:
            frame = frame[os.write(1, frame) :]


def hear(number, connection):
    """Passes on what a client says until it hangs up."""
    while True:
        try:
            content = connection.recv(16384)
        except OSError:
            content = b""
        send(number, content)
        if not content:
            del connections[number]
            connection.close()
            return


def listen(listener):
    number = 0
    while True:
        connection, _ = listener.accept()
        number += 1
        connections[number] = connection
        threading.Thread(target=hear, args=(number, connection), daemon=True).start()


def answer():
    """Passes on what the agent says until the other side is gone."""
    source = os.fdopen(0, "rb", closefd=False)
    while True:
        head = source.read(8)
        if len(head) < 8:
            return
        number, length = struct.unpack(">II", head)
        content = source.read(length)
        connection = connections.get(number)
        try:
            if connection is not None:
                connection.sendall(content)
        except OSError:
            # Who has hung up wants no answer.
            pass


def main():
    # Nobody but root, whatever the folder was unpacked with.
    os.chmod(FOLDER, 0o700)
    if os.path.exists(SOCKET):
        os.unlink(SOCKET)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET)
    listener.listen(16)
    for loop in (lambda: listen(listener), answer):
        threading.Thread(target=loop, daemon=True).start()
    environment = dict(os.environ, SSH_AUTH_SOCK=SOCKET, GIT_SSH=os.path.join(FOLDER, "ssh"))
    status = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=2, env=environment)
    # Its threads still wait for what does not come.
    os._exit(status if status >= 0 else 128 - status)


main()
