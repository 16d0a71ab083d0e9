"""What is put on the path of Python actions: StackStorm's own import path for the base class of actions."""
