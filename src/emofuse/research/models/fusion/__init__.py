"""Networks over feature sets: each modality alone, and ways to fuse them."""
