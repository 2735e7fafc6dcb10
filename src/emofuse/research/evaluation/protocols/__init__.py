"""How networks, bundles and pretrained models are evaluated."""
