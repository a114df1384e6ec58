"""Shared by scorers: proportions of right answers, and checks of references."""
