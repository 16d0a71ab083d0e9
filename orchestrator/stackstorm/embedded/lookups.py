"""What templates and expressions may ask of the world around them: the datastore, and a place for what is costly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from jinja2 import pass_context

from orchestrator.stackstorm.embedded.datastore import PERSONAL, SYSTEM
from orchestrator.stackstorm.embedded.executions import USER
from orchestrator.stackstorm.embedded.orquesta.scope import KeyNotFound, Outside

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2.runtime import Context

    from orchestrator.stackstorm.embedded.apart import Apart
    from orchestrator.stackstorm.embedded.datastore import Datastore

_NOT_THERE: Final = 'Referenced datastore item "{}" doesn\'t exist or it contains an empty string'


class Keys(Protocol):
    """The datastore, as far as lookups need it."""

    def value(self, name: str, scope: str, user: str) -> str:
        """Give a key's value as it is stored; empty for one that is not there."""

    def decrypt(self, text: str) -> str:
        """Give the text of an encrypted value; raises ValueError."""


class StoredKeys:
    """The datastore itself as Keys."""

    def __init__(self, keys: Datastore) -> None:
        self.decrypt = keys.decrypt
        self._keys = keys

    def value(self, name: str, scope: str, user: str) -> str:
        """Give a key's value as it is stored; empty for one that is not there."""
        found = self._keys.get(name, scope, user)
        return str(found["value"]) if found else ""


class Lookup:
    """A key, or the beginning of one: st2kv.system.some.key. Templates see no more of it than its members and value."""

    def __init__(self, keys: Keys, scope: str, user: str, name: str = "") -> None:
        self._keys = keys
        self._scope = scope
        self._user = user
        self._name = name

    def __getattr__(self, name: str) -> Lookup:
        if name.startswith("__"):
            raise AttributeError(name)
        return Lookup(self._keys, self._scope, self._user, f"{self._name}.{name}" if self._name else name)

    __getitem__ = __getattr__

    def __str__(self) -> str:
        return self._keys.value(self._name, self._scope, self._user)

    def __float__(self) -> float:
        return float(str(self))

    def __int__(self) -> int:
        return int(float(self))

    def _decrypted(self) -> str:
        value = str(self)
        if not value:
            raise ValueError(_NOT_THERE.format(f"{self._scope}.{self._name}"))
        return self._keys.decrypt(value)


class Lookups:
    """What templates call st2kv. Of what begins with an underscore the sandbox shows them nothing."""

    def __init__(self, keys: Keys, user: str, apart: Apart | None = None) -> None:
        self.system = Lookup(keys, SYSTEM, user)
        self.user = Lookup(keys, PERSONAL, user)
        self._keys = keys
        self._user = user
        self._apart = apart

    def __getitem__(self, name: str) -> Lookup:
        found: dict[str, Lookup] = {"system": self.system, "user": self.user}
        return found[name]


@pass_context
def decrypt_kv(context: Context, value: Any) -> str:
    """Give a secret in plain text: the filter of that name. Raises ValueError."""
    if isinstance(value, Lookup):
        return value._decrypted()  # noqa: SLF001 this module's own; the underscore hides it from templates
    lookups = context.get("st2kv")
    if not isinstance(lookups, Lookups):
        raise ValueError("expected a place where the datastore can be asked, got a template without st2kv")  # noqa: TRY004 as StackStorm's
    return lookups._keys.decrypt(str(value))  # noqa: SLF001 as above


def render_apart(text: str, names: Mapping[str, Any]) -> str | None:
    """Render a costly template in the process for such, where its names tell of one; None where they do not."""
    lookups = names.get("st2kv")
    if not isinstance(lookups, Lookups) or lookups._apart is None:  # noqa: SLF001 as above
        return None
    others = {name: value for name, value in names.items() if name != "st2kv"}
    return lookups._apart.render(text, others, lookups._keys, lookups._user)  # noqa: SLF001 as above


def user_of(context: Mapping[str, Any]) -> str:
    """Give the user whose keys an execution's context means."""
    return str(context.get("api_user") or context.get("user") or USER)


def outside(keys: Datastore, apart: Apart | None, task: Callable[[str, int], Mapping[str, Any] | None]) -> Outside:
    """Give what a workflow's expressions may ask; `task` tells of the workflow's own tasks."""

    def st2kv(key: str, user: str, decrypt: bool) -> Any:  # noqa: FBT001 the shape that the language asks for
        scope = SYSTEM if key.startswith("system.") else PERSONAL
        name = key.removeprefix("system.")
        found = keys.get(name, scope, user)
        if found is None:
            raise KeyNotFound(name if scope == SYSTEM else f"{user}:{name}")
        return keys.decrypt(found["value"]) if decrypt else found["value"]

    return Outside(st2kv, task, apart.evaluate if apart else None)
