"""Measures the product beside what people would use instead, in one run and on the same input."""
