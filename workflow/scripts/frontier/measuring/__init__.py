"""One cell under measurement: sessions, foreign load, pauses, requests asked before."""
