"""What is done with recordings: planned, transcribed, analysed, written; by the commands and by the service."""
