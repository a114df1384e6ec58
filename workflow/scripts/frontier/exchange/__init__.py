"""Results that go from one machine to another: packed there, looked at and added here."""
