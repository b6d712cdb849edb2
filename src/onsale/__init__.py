"""onsale: sells the seats of events that far more people want than can have."""

__version__ = "0.1.0"
