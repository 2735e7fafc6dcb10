"""Feature sets: what encoders make of recordings, computed once and kept on disk."""
