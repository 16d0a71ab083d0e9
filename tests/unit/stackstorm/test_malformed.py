"""Bad input: each file says by itself what is wrong with it, and the server goes on with what it had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from orchestrator.stackstorm.embedded.content.loader import load, read_all
from orchestrator.stackstorm.embedded.errors import ContentError
from tests.stackstorm_server import embedded, start
from tests.unit.stackstorm.malformed import BAD, BOMB, FINDINGS, GOOD, REFUSED, write

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 30
TEN_MEGABYTES = 10_000_000


def named(said: str, file: str, key: str, expected: str) -> bool:
    """Tell whether a line names the file, the key and what was expected."""
    return file in said and f": {key}: " in said and expected in said


def numbered(cases: list[tuple[str, str | bytes, str, str]]) -> list[str]:
    """Name cases by file, key and number."""
    return [f"{case[0]} {case[2]} {number}" for number, case in enumerate(cases)]


@pytest.mark.parametrize(("file", "text", "key", "expected"), BAD, ids=numbered(BAD))
def test_a_bad_file_is_refused_with_file_and_key(
    tmp_path: Path, file: str, text: str | bytes, key: str, expected: str
) -> None:
    """The error names the file, the key (or 'file') and what was expected; the pack does not load."""
    pack = write(tmp_path, {file: text})
    with pytest.raises(ContentError) as caught:
        load([pack], tmp_path)
    assert named(str(caught.value), file, key, expected), caught.value


@pytest.mark.parametrize(("file", "text", "key", "expected"), FINDINGS, ids=numbered(FINDINGS))
def test_what_loads_and_cannot_work_is_named(
    tmp_path: Path, file: str, text: str | bytes, key: str, expected: str
) -> None:
    """What StackStorm finds only when it runs (a workflow's language, above all) loads, and is named at once."""
    said = [str(finding) for finding in load([write(tmp_path, {file: text})], tmp_path).findings]
    assert any(named(line, file, key, expected) for line in said), said


@pytest.mark.parametrize(("file", "text", "key", "expected"), REFUSED, ids=numbered(REFUSED))
def test_what_is_not_supported_is_refused_by_name_and_the_pack_loads(
    tmp_path: Path, file: str, text: str | bytes, key: str, expected: str
) -> None:
    """A refusal names file and key; nothing of the pack is left out unsaid."""
    said = [str(refusal) for refusal in load([write(tmp_path, {file: text})], tmp_path).refused]
    assert any(named(line, file, key, expected) for line in said), said


def test_a_byte_order_mark_and_merged_keys_are_fine(tmp_path: Path) -> None:
    """What StackStorm reads is read: a mark at the beginning, keys by <<, files that end in .yml."""
    action = "\ufeffname: more\nrunner_type: noop\nparameters:\n  a: &a {type: string}\n  b: {<<: *a, default: x}\n"
    read = read_all([write(tmp_path, {"actions/more.yml": action})], tmp_path)
    assert read.errors == []
    assert read.content.actions["demo.more"].parameters["b"] == {"type": "string", "default": "x"}


def test_a_register_of_bad_files_answers_400_and_the_server_goes_on(tmp_path: Path) -> None:
    """Each bad file in turn is answered with its text; the pack as it was is served on, and runs, all the time."""
    pack = write(
        tmp_path / "packs", {"actions/py.yaml": "name: py\nrunner_type: noop\nparameters: {x: {type: string}}\n"}
    )
    before = {file: (pack / file).read_bytes() for file in GOOD}
    with embedded(tmp_path, pack) as url:
        for file, text, key, expected in BAD:
            write(tmp_path / "packs", {name: old for name, old in before.items() if name != file} | {file: text})
            answer = requests.post(f"{url}/v1/packs/register", json={"packs": ["demo"]}, timeout=SECONDS)
            assert answer.status_code == 400, (file, key, answer.text)
            assert named(answer.json()["faultstring"], file, key, expected), answer.text
            remove(pack, file, before)
        assert requests.post(f"{url}/v1/packs/register", json={}, timeout=SECONDS).status_code == 200
        ran = requests.post(f"{url}/v1/executions", json={"action": "demo.py"}, timeout=SECONDS)
        assert ran.status_code == 201


def remove(pack: Path, file: str, before: dict[str, bytes]) -> None:
    """Put a file back as it was."""
    place = pack / file
    if place.is_dir():
        place.rmdir()
    if file in before:
        place.write_bytes(before[file])
    else:
        place.unlink()


def test_bodies_that_are_too_much_are_refused_and_the_server_goes_on(tmp_path: Path) -> None:
    """Ten megabytes, a nest of lists and text that is no JSON: each is answered, and the next request too."""
    pack = write(tmp_path / "packs", {})
    with embedded(tmp_path, pack) as url:
        place = f"{url}/v1/executions"
        for body, status in (
            (b'{"action": "demo.py", "parameters": {"x": "' + b"x" * TEN_MEGABYTES + b'"}}', 413),
            (b"[" * 1_000_000 + b"]" * 1_000_000, 400),
            (b"\xff\xfe{}", 400),
            (b"{", 400),
        ):
            headers = {"Content-Type": "application/json"}
            answer = requests.post(place, data=body, headers=headers, timeout=SECONDS)
            assert answer.status_code == status, answer.text
            assert answer.json()["faultstring"]
        assert requests.get(f"{url}/v1/actions", timeout=SECONDS).status_code == 200


def test_a_bad_pack_ends_the_start_with_3_and_its_text(tmp_path: Path) -> None:
    """A bomb ends the process at once, by the exit code of what is invalid, with file, key and line."""
    (tmp_path / "configs").mkdir()
    process = start(tmp_path, write(tmp_path / "packs", {"rules/r.yaml": BOMB}))
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 3
    assert named(said, "rules/r.yaml:", "bomb.a4[7][8][8][8][8]", "at most 100000 values")
