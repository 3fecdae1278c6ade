"""What is asked: queries by words, by pictures, or both. This app only reads."""
