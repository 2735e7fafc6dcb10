"""emofuse: emotion from face, voice and words on video."""
