"""Networks compiled for processors, kept beside their models."""
