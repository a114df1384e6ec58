"""Training of the demo's models: small architectures, from scratch, on the demo's grammars."""
