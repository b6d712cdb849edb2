"""The pages: what fans see in a browser, rendered on the server, and the files they need.

Invariants
    A page shows what the API says, from the same bodies; nothing is decided here.
    Everything works without scripts but choosing seats; escaping is always on; scripts come from us alone.

Owns no tables.
"""

from onsale.web.documents import router as documents_router
from onsale.web.pages import Rooms
from onsale.web.pages import router as pages_router
from onsale.web.rendering import Pages
from onsale.web.statics import Statics
from onsale.web.wrong import install_error_pages

__all__ = ["Pages", "Rooms", "Statics", "documents_router", "install_error_pages", "pages_router"]
