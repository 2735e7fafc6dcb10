"""Corpora, each in its own file: how its folder or archive is read, and what may be said of it."""
