"""Makes a UUID."""

from __future__ import annotations

import uuid

from st2common.runners.base_action import Action  # type: ignore[import-not-found]  # the runner puts it on the path


class MakeUuid(Action):  # type: ignore[misc]  # as above
    """Gives a UUID of a kind."""

    def run(self, uuid_type: str) -> str:
        """Give a uuid1 or a uuid4."""
        return str(uuid.uuid1() if uuid_type == "uuid1" else uuid.uuid4())
