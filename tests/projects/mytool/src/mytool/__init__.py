"""Watches machines and reports what they do."""

__version__ = "1.4.2"
