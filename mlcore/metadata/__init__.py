"""What photographs say about themselves, in the picture's file or in one beside it."""
