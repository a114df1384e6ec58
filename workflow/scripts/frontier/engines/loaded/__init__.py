"""Loaded models: a module for each engine whose library must be imported for them."""
