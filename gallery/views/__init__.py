"""The pages of the gallery: form in, one service call, template out."""
