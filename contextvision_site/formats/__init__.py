"""How dates are written, where that differs from Django's way for a language."""
