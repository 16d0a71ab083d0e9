"""The part of StackStorm's HTTP API that st2client uses."""
