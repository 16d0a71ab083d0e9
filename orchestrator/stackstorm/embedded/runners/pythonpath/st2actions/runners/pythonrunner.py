"""The base class of Python actions, under the import path that it had in StackStorm 2."""

from __future__ import annotations

import importlib

Action = importlib.import_module("st2common.runners.base_action").Action

__all__ = ["Action"]
