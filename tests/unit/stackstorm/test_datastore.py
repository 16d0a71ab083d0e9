"""The datastore: scopes, secrets, expiry, and what listeners hear; then the same through the API."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import pytest
import requests

from orchestrator.stackstorm.embedded.datastore import EVERY, PERSONAL, Datastore, Unreadable
from orchestrator.stackstorm.embedded.store import Store
from tests.stackstorm_server import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store in a folder of its own."""
    found = Store(tmp_path / "stackstorm.sqlite")
    yield found
    found.close()


@pytest.fixture
def keys(store: Store, tmp_path: Path) -> Datastore:
    """A datastore on that store."""
    return Datastore(store, tmp_path)


def test_a_secret_is_on_no_disk_and_comes_back(keys: Datastore, store: Store, tmp_path: Path) -> None:
    """No file holds the text; the key file is its owner's alone; another process with that folder can decrypt."""
    shown = keys.set("token", "very-secret", secret=True)
    assert (shown["secret"], shown["encrypted"]) == (True, True)
    assert all(b"very-secret" not in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    assert stat.S_IMODE((tmp_path / "datastore.key").stat().st_mode) == 0o600
    again = Datastore(store, tmp_path).get("token", decrypt=True)
    assert again is not None
    assert (again["value"], again["encrypted"]) == ("very-secret", False)


def test_a_value_that_comes_encrypted_is_kept_as_it_is(keys: Datastore) -> None:
    """Such a value is a secret; what this datastore did not encrypt is refused, in StackStorm's own words."""
    sealed = keys.encrypt("text")
    assert keys.set("a", sealed, encrypted=True)["value"] == sealed
    assert keys.list("a", decrypt=True)[0]["value"] == "text"
    with pytest.raises(Unreadable, match="Non-hexadecimal digit found"):
        keys.set("b", "plains", encrypted=True)
    with pytest.raises(Unreadable, match="expected a value that this datastore encrypted"):
        keys.decrypt("00" * 40)


def test_a_users_keys_are_that_users(keys: Datastore) -> None:
    """One name may be a key of the system and of each user; `all` shows the system's and one user's."""
    keys.set("k", "1")
    keys.set("k", "2", PERSONAL, "ann")
    keys.set("k", "3", PERSONAL, "bob")
    assert [key["value"] for key in keys.list("k", EVERY, "ann")] == ["1", "2"]
    assert keys.get("k", PERSONAL) is None
    shown = keys.get("k", PERSONAL, "bob")
    assert shown is not None
    assert (shown["name"], shown["user"], shown["uid"]) == ("k", "bob", "key_value_pair:st2kv.user:bob:k")


def test_a_key_expires_and_leaves_nothing(keys: Datastore) -> None:
    """After its time a key is not there; the next write deletes it."""
    keys.set("brief", "v", ttl=-1)
    assert keys.get("brief") is None
    assert keys.list("") == []
    keys.set("other", "v")
    assert keys._rows._database.rows("select name from keys") == [("other",)]


def test_listeners_hear_what_happened(keys: Datastore) -> None:
    """Create, update, a change of value and delete, with the object as the API shows it; nothing for no change."""
    heard: list[tuple[str, dict[str, Any]]] = []
    keys.listen(lambda what, payload: heard.append((what, payload)))
    first = keys.set("k", "1")
    second = keys.set("k", "2")
    keys.set("k", "2")
    assert keys.delete("k")
    assert not keys.delete("k")
    assert heard == [
        ("create", {"object": first}),
        ("update", {"object": second}),
        ("value_change", {"old_object": first, "new_object": second}),
        ("update", {"object": second}),
        ("delete", {"object": second}),
    ]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of /keys of an embedded StackStorm."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "p").mkdir()
    (folder / "p" / "pack.yaml").write_text("{name: p, description: d, version: 0.1.0, author: a}")
    with embedded(folder, folder / "p") as found:
        yield f"{found}/v1/keys"


def put(url: str, name: str, **asked: Any) -> requests.Response:
    """Set a key."""
    return requests.put(f"{url}/{name}", json={"name": name, **asked}, timeout=5)


def test_the_api_shows_a_secret_only_decrypted_or_sealed(url: str) -> None:
    """GET shows the sealed value; decrypt=true the text, in one key and in the list."""
    sealed = put(url, "s", value="text", secret=True).json()["value"]
    assert requests.get(f"{url}/s", timeout=5).json()["value"] == sealed
    assert requests.get(f"{url}/s?decrypt=true", timeout=5).json()["value"] == "text"
    assert [key["value"] for key in requests.get(f"{url}?prefix=s&decrypt=true", timeout=5).json()] == ["text"]
    assert put(url, "copy", value=sealed, encrypted=True).json()["secret"] is True


def test_a_user_in_the_query_means_that_users_key(url: str) -> None:
    """PUT with scope user, then GET and DELETE with user=; the system's key of that name is another."""
    assert put(url, "mine", value="1", scope="user", user="ann").json()["scope"] == "st2kv.user"
    assert requests.get(f"{url}/mine?user=ann", timeout=5).json()["value"] == "1"
    assert requests.get(f"{url}/mine", timeout=5).status_code == 404
    assert requests.delete(f"{url}/mine?scope=user&user=ann", timeout=5).status_code == 204
    gone = requests.delete(f"{url}/mine?scope=user&user=ann", timeout=5)
    assert gone.json() == {"faultstring": 'The key "ann:mine" does not exist in the StackStorm datastore.'}


def test_a_list_without_a_limit_has_its_last_key_too(url: str) -> None:
    """`limit=-1` means all keys; a limit and an offset cut as anywhere."""
    for name in ("page.1", "page.2", "page.3"):
        put(url, name, value="v")
    for query, expected in (("limit=-1", [1, 2, 3]), ("limit=-1&offset=1", [2, 3]), ("limit=1&offset=1", [2])):
        found = requests.get(f"{url}?prefix=page&{query}", timeout=5).json()
        assert [key["name"] for key in found] == [f"page.{number}" for number in expected]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "'value' is a required property"),
        ({"value": 1}, "1 is not of type 'string'"),
        ({"value": "v", "ttl": "soon"}, "'soon' is not of type 'integer'"),
        ({"value": "v", "scope": "mars"}, "Scope st2kv.mars is not in allowed scopes list"),
        ({"value": "v", "encrypted": True}, 'Failed to verify the integrity of the provided value for key "bad"'),
    ],
)
def test_what_is_no_key_is_refused_in_stackstorms_words(url: str, asked: dict[str, Any], expected: str) -> None:
    """400, and nothing is stored."""
    answer = put(url, "bad", **asked)
    assert answer.status_code == 400
    assert answer.json()["faultstring"].startswith(expected)
    assert requests.get(f"{url}/bad", timeout=5).status_code == 404
