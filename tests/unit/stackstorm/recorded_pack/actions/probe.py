"""Says what it was told."""

from st2common.runners.base_action import Action


class Probe(Action):
    """Answers its parameters."""

    def run(self, message: str, count: int, fail: bool) -> tuple:
        """Give the message as often as asked, or fail."""
        return not fail, [message] * count
