"""The sandbox: runs generated code without network, files, secrets, or time without end."""
