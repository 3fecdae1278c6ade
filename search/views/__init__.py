"""The search pages: form in, one search, template out."""
