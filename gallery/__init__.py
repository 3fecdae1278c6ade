"""What exists: pictures, captions, their vectors, model and index versions, and jobs."""
