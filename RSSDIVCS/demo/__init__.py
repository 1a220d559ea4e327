"""A small library that draws aerial scenes whose attributes are known at every pixel."""
