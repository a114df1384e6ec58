"""Growing the demo's models: small architectures trained from scratch on the demo's grammars."""
