"""The kinds of data that networks are trained on: how each is loaded, augmented and batched."""
