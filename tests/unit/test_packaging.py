"""What is installed is what was locked; the base install is a worker's; the wheel holds all it needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from orchestrator.stackstorm.packs import packs_dir

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# The nine fixed libraries, each with the oldest release that this code was written against: a resolver that falls back
# is noticed.
FIXED = {
    "celery": "5.7",
    "kombu": "5.7",
    "locust": "2.47",
    "pybreaker": "1.4.1",
    "pytest": "9.2",
    "rudder-sdk-python": "2.1.9",
    "sqlalchemy": "2.1",
    "st2client": "3.9.0",
    "tenacity": "9.2",
}
# Not fixed, but a resolver has fallen back on them before.
WATCHED = FIXED | {"fastapi": "0.163", "pydantic": "2.14"}
BASE = {"celery", "kombu", "orjson"}
# Runs code with some libraries hidden, as if they were not installed.
HIDING = """
import sys
hidden = frozenset(sys.argv[1].split(","))
class Hider:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hider())
"""


def locked() -> dict[str, tuple[str, list[str]]]:
    """Read the lock: name -> version and hashes; a line of another shape fails the test."""
    found = {}
    for line in (ROOT / "requirements.lock").read_text().replace("\\\n", "").splitlines():
        pin, *hashes = line.split("--hash=")
        name, version = pin.partition(";")[0].strip().split("==")
        found[canonicalize_name(name)] = version, [each.strip() for each in hashes]
    return found


def declared() -> list[Requirement]:
    """List every requirement of pyproject.toml, with the overrides in the place of what they override."""
    project = PYPROJECT["project"]
    lines = [*project["dependencies"], *PYPROJECT["dependency-groups"]["dev"], *PYPROJECT["build-system"]["requires"]]
    lines += [line for extra in project["optional-dependencies"].values() for line in extra]
    lines += PYPROJECT["tool"]["uv"]["override-dependencies"]
    return [each for each in map(Requirement, lines) if each.name != "redrive"]


def base_closure() -> set[str]:
    """Name every distribution that a base install brings, from what is installed here."""
    seen, waiting = set(), list(BASE)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        requirements = map(Requirement, metadata.requires(name) or [])
        waiting += [each.name for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]
    return seen


def shipped() -> list[str]:
    """Name each committed file that the wheel has to hold, as the wheel names it."""
    command = ["git", "ls-files", "eventbus", "loadtests", "orchestrator", "packs"]
    tracked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()
    return [re.sub("^packs/", "orchestrator/_packs/", line) for line in tracked if (ROOT / line).is_file()]


def in_base_install(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python that finds nothing which a base install would not bring."""
    kept = base_closure() | {"redrive", "pip", "setuptools"}
    tops = metadata.packages_distributions()
    hidden = [top for top, names in tops.items() if not kept & {canonicalize_name(name) for name in names}]
    command = [sys.executable, "-c", HIDING + code, ",".join(hidden)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("name", "oldest"), WATCHED.items())
def test_the_fixed_libraries_are_the_ones_that_were_locked(name: str, oldest: str) -> None:
    """Each of the nine fixed libraries, and two more, is installed as locked, and none fell back to an old release."""
    assert metadata.version(name) == locked()[name][0]
    assert Version(metadata.version(name)) >= Version(oldest)


def test_pip_check_names_the_lines_of_st2client_and_no_others() -> None:
    """Only st2client's exact pins are lifted: nobody else's requirements are broken by that."""
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert lines, f"expected the pins of st2client, got nothing: {done.stderr}"
    assert [line for line in lines if not line.startswith("st2client 3.9.0 has requirement ")] == []


def test_every_locked_release_has_hashes() -> None:
    """Each line of the lock pins one version and carries at least one sha256."""
    for name, (version, hashes) in locked().items():
        assert Version(version), name
        assert hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), name


def test_the_lock_names_no_place() -> None:
    """The lock names no host, no index and no path: it works with whatever registry the reader has."""
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[^ /:]+( ; [^/:]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), line


def test_the_lock_satisfies_the_project() -> None:
    """Every requirement of pyproject.toml is in the lock, at a version that it admits."""
    overridden = {Requirement(line).name for line in PYPROJECT["tool"]["uv"]["override-dependencies"]}
    pins = locked()
    for each in declared():
        version = pins[canonicalize_name(each.name)][0]
        assert version in each.specifier or each.name in overridden, f"{each} is locked at {version}"


def test_the_base_install_is_the_worker_s() -> None:
    """The base install brings Celery, kombu and the envelope; no library of the server comes along."""
    assert {Requirement(line).name for line in PYPROJECT["project"]["dependencies"]} == BASE
    server = {Requirement(line).name for line in PYPROJECT["project"]["optional-dependencies"]["server"]}
    assert base_closure() & server <= {"python-dateutil"}  # which Celery brings


def test_the_event_bus_needs_the_base_install_alone() -> None:
    """Every module of eventbus can be imported where only the base install is there."""
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("eventbus/**/*.py")]
    imports = "".join(f"import {name.removesuffix('.__init__')}\n" for name in sorted(names))
    assert in_base_install(imports).stderr == ""


def test_a_base_install_names_what_is_missing() -> None:
    """Where only the base install is there, `redrive` says which extra to install, and ends with the code for usage."""
    done = in_base_install("from orchestrator.__main__ import main; sys.exit(main())")
    assert done.returncode == 2, done.stderr
    assert "pip install 'redrive[server]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_st2client_works_with_the_lifted_pins() -> None:
    """st2client's client can be made, and it asks for a module that Python 3.13 no longer has: hence `<3.13`."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "from st2client.client import Client; print(Client().actions)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "ActionResourceManager" in done.stdout, done.stderr
    assert PYPROJECT["project"]["requires-python"].endswith("<3.13")


def test_the_wheel_holds_all_it_needs(tmp_path: Path) -> None:
    """From the wheel alone, outside the checkout: packs, trace with its licence, schemas and migrations are found."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("redrive-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    for path in shipped():
        assert (tmp_path / "site" / path).is_file(), path
    code = "from orchestrator.stackstorm.packs import packs_dir; from loadtests.trace import read_trace; "
    code += "print(packs_dir().name, sum(1 for call in read_trace()))"
    ran = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); {code}"]
    done = subprocess.run(ran, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["_packs", "19366"], done.stderr


def test_the_packs_are_found_in_the_checkout(tmp_path: Path) -> None:
    """Out of the checkout the packs are the checkout's own; where there are none, the error says where it looked."""
    assert packs_dir() == ROOT / "packs"
    with pytest.raises(FileNotFoundError, match="expected packs in"):
        packs_dir(tmp_path / "orchestrator")
