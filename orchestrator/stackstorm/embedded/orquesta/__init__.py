"""Orquesta, the workflow language: pure, no I/O. Read and checked once; conducted task by task.

Written from the language's documentation and held against the real conductor's behaviour.
"""
