"""Broken variants of the product's processes: each takes one rule away, and a suite of the bench must notice."""
