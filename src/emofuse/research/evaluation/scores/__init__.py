"""What a report holds: predictions, scores, their intervals and their tests."""
