"""allconvert: a float model in, a verified int8 model file out."""
