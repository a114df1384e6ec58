"""Programs of other environments: none imports the project."""
