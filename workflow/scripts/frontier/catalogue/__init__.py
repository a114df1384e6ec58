"""Everything that could be measured, and the study that asks for some of it: config/*.yaml read."""
