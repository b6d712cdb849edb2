"""PostgreSQL 18 and Valkey out of installed wheels, so that one command is enough on an empty machine.

Both run as children of one process, listen on unix sockets in a private folder and on no port, and keep what they have
below one data folder. A process that was killed leaves them running; the next start takes them over and stops them at
its own end.

    with Embedded.start(Path("var")) as servers:
        connect(servers.addresses.database_url)

Blocking on purpose: it is used before the event loop runs and after it has ended.
"""

from onsale.kit.embedded.layout import Addresses, EmbeddedError, addresses
from onsale.kit.embedded.servers import Embedded, running

__all__ = ["Addresses", "Embedded", "EmbeddedError", "addresses", "running"]
