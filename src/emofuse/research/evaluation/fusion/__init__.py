"""Fusion of modalities: methods compared, and the weights and certainty of a bundle fitted."""
