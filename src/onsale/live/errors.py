"""Refusals of the live map."""

from onsale.kit.problems import Overloaded


class TooManyViewers(Overloaded):
    code = "too_many_viewers"
    title = "Too many people watch this map live; ask for availability from time to time instead"
