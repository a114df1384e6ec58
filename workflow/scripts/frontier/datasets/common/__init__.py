"""Shared by loaders: the files of a dataset, including those in archives."""
