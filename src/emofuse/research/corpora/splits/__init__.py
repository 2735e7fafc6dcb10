"""Splits and folds of a corpus: no speaker in two parts, and an audit of any split."""
