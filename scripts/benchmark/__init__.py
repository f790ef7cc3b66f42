"""The product's benchmark: what a whole box does on this machine, measured beside its goals."""
