"""Version of autodas."""

__version__ = "0.1.0"
