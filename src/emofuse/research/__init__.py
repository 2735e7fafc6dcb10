"""Training and evaluation: the one place where torch is imported. Nothing that analyses a recording imports it."""
