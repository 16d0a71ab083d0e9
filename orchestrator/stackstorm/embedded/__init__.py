"""A development StackStorm in one process: loads real packs, serves what st2client uses of the HTTP API."""
