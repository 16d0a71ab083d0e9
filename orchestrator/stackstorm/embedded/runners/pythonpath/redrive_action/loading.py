"""Finds the action class in a file, and makes its instance, as StackStorm's loader and wrapper do."""

from __future__ import annotations

import importlib
import sys
import time
import traceback
from types import FunctionType
from typing import Any

from .service import ActionService
from .warming import folder_of, prepared

Action = importlib.import_module("st2common.runners.base_action").Action


class Wrapper:
    """What StackStorm's action service knows of the action that it serves."""

    def __init__(self, job: Any) -> None:
        self._pack = job["pack"]
        self._user = job["user"]
        self._log_level = job["log_level"]
        self._class_name = ""


def action(job: Any) -> Any:
    """Give an instance of the action class of the job's file."""
    if "TZ" in job["env"]:
        time.tzset()
    wrapper = Wrapper(job)
    try:
        found = action_class(job["file"])
    except Exception as error:  # noqa: BLE001 whatever it is, the same is raised with a traceback that says where
        raise failed_to_load(job["file"], error) from None
    wrapper._class_name = found.__name__
    return instance(found, job["config"], ActionService(wrapper))


def action_class(file: str) -> Any:
    """Give the first class by name that the file defines and that has a run() of its own."""
    folder = folder_of(file)
    if folder not in sys.path:
        sys.path.append(folder)
    module = load(file)
    for name in dir(module):
        found = getattr(module, name, None)
        if isinstance(found, type) and found.__module__ == module.__name__ and runs(found):
            if Action not in found.__mro__:
                Action.register(found)
            return found
    raise Exception(f'Found no classes in plugin file "{file}" matching requirements.')  # noqa: TRY002 StackStorm's own


def load(file: str) -> Any:
    """Run the file as a module; it stands in no table of modules, as in StackStorm."""
    module, code = prepared(file)
    exec(code, module.__dict__)  # noqa: S102 this is what an import does
    return module


def runs(found: Any) -> bool:
    """Tell whether a class has a run() that is no abstract one."""
    method = getattr(found, "run", None)
    return isinstance(method, FunctionType) and not getattr(method, "__isabstractmethod__", False)


def failed_to_load(file: str, error: Exception) -> Exception:
    """Give the error of a file that cannot be loaded: of the same class, with the traceback in its text."""
    why = 'Failed to load action class from file "{}" (there is none in it, or it cannot be imported): {}\n\n{}'
    return type(error)(why.format(file, error, traceback.format_exc()))


def instance(found: Any, config: Any, service: Any) -> Any:
    """Make the instance; a constructor of old that does not take the service gets it afterwards."""
    try:
        return found(config=config, action_service=service)
    except TypeError as error:
        if "unexpected keyword argument 'action_service'" not in str(error):
            raise
    made = found(config=config)
    made.action_service = service
    return made
