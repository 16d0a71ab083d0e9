"""Makes a process ready to fork actions quickly, and safely."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from types import CodeType, ModuleType  # noqa: F401 in a comment of types
from typing import Any

SACRIFICE = 500
ALWAYS = ("logging", "threading", "traceback", "st2common.runners.base_action", "redrive_action.loading")


_compiled = {}  # type: dict[str, tuple[Any, CodeType]]
_modules = {}  # type: dict[str, ModuleType]
_folders = {}  # type: dict[str, str]


class Sources(importlib.machinery.SourceFileLoader):
    """Loads a Python file; one that has not changed since it was compiled here is not compiled again."""

    def get_code(self, fullname: str) -> Any:
        """Give the code of the file as it is now."""
        return compiled(self.path) or super().get_code(fullname)


def remember(file: Path) -> None:
    """Compile a file ahead of its first import; one that does not compile is left to the action."""
    _folders[str(file)] = os.path.dirname(os.path.realpath(file))
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        code = compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
        _compiled[str(file)] = (stamp(str(file)), code)
        _modules[str(file)] = module_of(str(file))


def compiled(file: str) -> Any:
    """Give the code of a file that has not changed since it was compiled here, else None."""
    found = _compiled.get(file)
    return found[1] if found is not None and found[0] == stamp(file) else None


def module_of(file: str) -> Any:
    """Make the module of a file, in which nothing has run yet."""
    name = os.path.basename(file)[: -len(".py")]
    spec = importlib.util.spec_from_file_location(name, file, loader=Sources(name, file))
    return importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # a loader was given, so there is a spec


def prepared(file: str) -> Any:
    """Give the module of an action's file and the code to run in it: those made ahead where they are good still."""
    code = compiled(file)
    if code is not None:
        return _modules[file], code
    module = module_of(file)
    return module, module.__loader__.get_code(module.__name__)


def folder_of(file: str) -> str:
    """Give the folder that a file lies in, links followed: as it was when the process began."""
    return _folders.get(file) or os.path.dirname(os.path.realpath(file))


def stamp(file: str) -> Any:
    """Give what changes when a file does."""
    about = os.stat(file)
    return about.st_mtime_ns, about.st_size


def warm_up(folders: Any) -> None:
    """Import what the files of these folders import at their top, and compile them.

    What cannot be imported is left to the action; modules of the folders themselves are imported by actions alone.
    """
    sys.dont_write_bytecode = True
    files = sorted({file for folder in folders for file in folder.rglob("*.py")})
    names, classes = set(ALWAYS), set()
    for file in files:
        remember(file)
        tree = parsed(file)
        names |= imported_names(tree)
        classes |= {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    for name in sorted(names):
        if not any(holds(folder, name.split(".")[0]) for folder in folders):
            with contextlib.suppress(BaseException):  # one that exits is that action's matter
                importlib.import_module(name)
    for name in classes:
        importlib.import_module("st2common.runners.own").get_logger_for_python_runner_action(name)
    roots = tuple(str(folder) for folder in folders)
    sys.path_hooks.insert(0, lambda entry: finder(entry, roots))
    sys.path_importer_cache.clear()
    importlib.import_module("redrive_action.ending").keep_handlers()


def holds(folder: Path, name: str) -> bool:
    """Tell whether a folder has a module of this name."""
    return (folder / name).is_dir() or (folder / f"{name}.py").exists()


def finder(entry: str, roots: Any) -> Any:
    """Find modules below these folders; elsewhere Python's own finder does."""
    if not any(entry == root or entry.startswith(root + os.sep) for root in roots):
        raise ImportError(entry)
    return importlib.machinery.FileFinder(entry, (Sources, importlib.machinery.SOURCE_SUFFIXES))


def parsed(file: Path) -> ast.Module:
    """Give the syntax tree of a file; an empty one where it does not parse."""
    try:
        return ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ast.parse("")


def imported_names(tree: ast.Module) -> Any:
    """Give the names of the modules that a file imports at its top."""
    plain = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.split(".")[0] for name in plain | named} | plain


def threads() -> int:
    """Count the threads of this process."""
    return len(os.listdir("/proc/self/task"))


def first_to_die() -> None:
    """Where memory runs out, the actions are ended, and not what serves everybody."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(SACRIFICE))
