"""What engines share: loading a checkpoint, prompts, stop texts, generating."""
