"""What loaders share: the files of a dataset, in archives too."""
