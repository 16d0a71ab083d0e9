"""The action service: what an action may ask of the StackStorm that runs it."""

from __future__ import annotations

import importlib
import os
from typing import Any


class ActionService:
    """An action's way to the datastore. Nothing is imported and nobody is asked before it is used."""

    def __init__(self, action_wrapper: Any) -> None:
        self._action_wrapper = action_wrapper
        self._datastore_service = None  # type: Any

    @property
    def datastore_service(self) -> Any:
        """The datastore, with the token of this execution."""
        if self._datastore_service is None:
            wrapper = self._action_wrapper
            self._datastore_service = importlib.import_module("st2common.services.datastore").ActionDatastoreService(
                logger=importlib.import_module("st2common.runners.own").get_logger_for_python_runner_action(
                    wrapper._class_name, wrapper._log_level
                ),
                pack_name=wrapper._pack,
                class_name=wrapper._class_name,
                auth_token=os.environ.get("ST2_ACTION_AUTH_TOKEN"),
            )
        return self._datastore_service

    def get_user_info(self) -> Any:
        """Give what the API knows of the user in whose name the action runs."""
        return self.datastore_service.get_user_info()

    def list_values(self, local: bool = True, prefix: Any = None, limit: Any = None, offset: Any = None) -> Any:
        """Give the keys that begin with a prefix: those of this action class, or of all."""
        return self.datastore_service.list_values(local=local, prefix=prefix, limit=limit, offset=offset)

    def get_value(self, name: str, local: bool = True, scope: str = "system", decrypt: bool = False) -> Any:
        """Give the value of a key; None where there is no such key."""
        return self.datastore_service.get_value(name=name, local=local, scope=scope, decrypt=decrypt)

    def set_value(
        self, name: str, value: Any, ttl: Any = None, local: bool = True, scope: str = "system", encrypt: bool = False
    ) -> Any:
        """Set a key, for `ttl` seconds where that is given."""
        return self.datastore_service.set_value(
            name=name, value=value, ttl=ttl, local=local, scope=scope, encrypt=encrypt
        )

    def delete_value(self, name: str, local: bool = True, scope: str = "system") -> Any:
        """Forget a key."""
        return self.datastore_service.delete_value(name=name, local=local, scope=scope)
