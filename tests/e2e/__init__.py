"""Browser tests. A package, so that the browser's fixtures end with it: its event loop must not outlive them."""
