"""Reports and figures: HTML, Markdown, CSV and the terminal."""
