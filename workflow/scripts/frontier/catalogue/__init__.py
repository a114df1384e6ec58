"""The catalogue of all that can be measured, and the study that selects from it: config/*.yaml."""
