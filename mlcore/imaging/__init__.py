"""Untrusted files to pixels, and what is known about them."""
