"""`python -m onsale.bench.empty serve FD`: the server of a web process with an application that does nothing.

What a request costs there is what it costs before onsale has done anything.
"""

import socket
import sys

from onsale.kit import asgi, capacity, serving

_START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
_END = {"type": "http.response.body", "body": b""}


async def answer_nothing(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    await send(_START)
    await send(_END)


def main() -> None:
    capacity.raise_open_files()
    with socket.socket(fileno=int(sys.argv[2])) as listening:
        serving.server(answer_nothing, lifespan=False).run(sockets=[listening])


if __name__ == "__main__":
    main()
