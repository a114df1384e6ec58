"""This workflow and other tools on the same checkpoint, requests and threads, in turns."""
