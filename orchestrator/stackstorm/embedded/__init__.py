"""A development StackStorm in one process: loads real packs, and serves the part of the HTTP API that st2client uses."""
