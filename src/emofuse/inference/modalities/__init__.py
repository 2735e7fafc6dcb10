"""The ways in which an emotion shows, a file each: what is made of a stream, and why there may be nothing."""
