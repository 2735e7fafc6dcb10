"""What a recipe may hold. Read without torch, so that a wrong one is told at once."""
