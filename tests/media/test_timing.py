"""Sound stays with the picture, and lengths follow what is read: over seams, gaps, and clocks that begin anywhere."""
