"""How a web process is served: uvicorn with every bound it has, and ours where it has none."""

import uvicorn

from onsale import limits
from onsale.kit import asgi
from onsale.kit.heads import BoundedHeads
from onsale.kit.stalls import BoundedBacklog


def server(web: asgi.App, *, lifespan: bool = True) -> uvicorn.Server:
    """A server of that application, which serves sockets that are listening already."""
    return uvicorn.Server(
        uvicorn.Config(
            web,
            loop="uvloop",
            http=BoundedHeads,
            lifespan="on" if lifespan else "off",
            ws=BoundedBacklog,
            ws_max_size=limits.LIVE_FRAME_MAX_BYTES,
            ws_ping_interval=limits.LIVE_PING_EVERY_S,
            ws_ping_timeout=limits.LIVE_PONG_WAIT_S,
            # Each viewer's compressor would cost memory, and do over again a text that is encoded once.
            ws_per_message_deflate=False,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=limits.HTTP_CONNECTIONS_MAX,
            timeout_graceful_shutdown=int(limits.SHUTDOWN_GRACE_S),
        )
    )
