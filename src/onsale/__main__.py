"""`python -m onsale` is `onsale`."""

from onsale.cli import main

main()
