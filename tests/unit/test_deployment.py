"""The full deployment, which no test starts, as far as it can be told without a container engine."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.settings import Settings, load

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
LASTING = [name for name, service in SERVICES.items() if service["restart"] != "no"]
PROFILES = {profile for service in SERVICES.values() for profile in service["profiles"]}
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
EXACT = r"[a-z0-9./-]+:\d+\.\d+(\.\d+)?(-[a-z-]+)?"
SECRET = re.compile("PASS|SECRET|TOKEN|KEY")


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """A folder with what a deployment takes, in which the secrets have been made."""
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    subprocess.run([tmp_path / "deploy/make-secrets"], check=True, capture_output=True)
    return tmp_path


def secrets_of(folder: Path) -> dict[str, str]:
    """Read the .env that was made."""
    return dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())


def megabytes(profile: str) -> int:
    """Add up what the services of a profile may take."""
    chosen = [service for service in SERVICES.values() if profile in service["profiles"]]
    return sum(int(service["mem_limit"].removesuffix("m")) for service in chosen)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_bounded_and_reached_from_this_machine_alone(name: str) -> None:
    """Each service has an exact version, a profile, a limit of its memory, and no port but on loopback."""
    service = SERVICES[name]
    assert re.fullmatch(EXACT, service["image"])
    assert re.fullmatch(r"\d+m", service["mem_limit"])
    assert set(service["profiles"]) <= {"core", "stackstorm"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", LASTING)
def test_a_service_that_lasts_is_watched(name: str) -> None:
    """Each service that is to go on has a health check that runs a command of its own, without a shell."""
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries"} <= check.keys()


def test_no_secret_is_written_down() -> None:
    """Every password, key and token comes from the environment, in URLs too; the files we ship hold none."""
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            assert not SECRET.search(variable) or value.startswith("${"), variable
    texts = [COMPOSE, *(path.read_text() for path in (ROOT / "deploy").rglob("*") if path.is_file() and shipped(path))]
    for text in texts:
        assert all(found.startswith("$") for found in re.findall(r"://[^\s/:@]*:([^\s/@]+)@", text))


def shipped(path: Path) -> bool:
    """Tell whether a file below deploy is ours to ship."""
    return not {"secrets", "__pycache__"} & set(path.parts)


def test_the_memory_of_each_profile_is_stated() -> None:
    """The figures at the top of the file and in the documentation are the sums of the limits."""
    both = megabytes("core") + megabytes("stackstorm") - 512 - 128  # RabbitMQ and Redis are in both
    figures = {f"{megabytes('core')} MB", f"{megabytes('stackstorm')} MB", f"{both} MB"}
    for text in (COMPOSE, (ROOT / "docs/install.md").read_text()):
        assert figures <= set(re.findall(r"\d{4} MB", text))


def test_a_variable_without_a_default_is_made_by_make_secrets(deployed: Path) -> None:
    """The script makes each variable that the services need, and no other."""
    needed = set(re.findall(r"\$\{(\w+)(?::\?[^}]*|:-)?\}", COMPOSE))
    optional = {"REDRIVE_RUDDERSTACK_URL", "REDRIVE_RUDDERSTACK_WRITE_KEY"}
    assert needed - optional == set(secrets_of(deployed))


def test_what_make_secrets_made_is_kept_from_others_and_never_overwritten(deployed: Path) -> None:
    """The secrets differ, only their owner enters their folder, and a second run refuses and changes nothing."""
    made = secrets_of(deployed)
    assert len(set(made.values())) == len(made)
    assert (deployed / ".env").stat().st_mode & 0o77 == 0
    assert (deployed / "deploy/secrets").stat().st_mode & 0o77 == 0
    assert (deployed / "deploy/secrets/htpasswd").read_text().startswith("st2admin:$apr1$")
    assert made["REDRIVE_RABBITMQ_PASSWORD"] in (deployed / "deploy/secrets/st2.user.conf").read_text()
    again = subprocess.run([deployed / "deploy/make-secrets"], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "expected neither" in again.stderr
    assert secrets_of(deployed) == made


def test_the_secrets_stay_out_of_commits_and_images() -> None:
    """Git ignores what make-secrets makes, and a build's context holds nothing but what is named."""
    assert {".env", "deploy/secrets/"} <= set((ROOT / ".gitignore").read_text().splitlines())
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert not any("secrets" in line or ".env" in line for line in lines[1:])


def test_compose_accepts_the_file(deployed: Path) -> None:
    """Docker's own compose reads the file with both profiles, and all variables are filled in."""
    command = compose_command()
    told = [*command, "--profile", "core", "--profile", "stackstorm", "config"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REDRIVE_")}
    done = subprocess.run(told, cwd=deployed, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "$" not in done.stdout.replace("$$", "").replace("$apr1$", "")
    read = yaml.safe_load(done.stdout)["services"]
    assert read.keys() == SERVICES.keys()
    assert read["orchestrator"]["environment"]["REDRIVE_WAREHOUSE_URL"] == secrets_of(deployed)["REDRIVE_WAREHOUSE_URL"]


def compose_command() -> list[str]:
    """Find compose, as a program of its own or as docker's plugin: missing is a failure where CI is set."""
    for command in (["docker-compose"], ["docker", "compose"]):
        if shutil.which(command[0]):
            done = subprocess.run([*command, "version"], capture_output=True, check=False)
            if done.returncode == 0:
                return command
    reason = "expected docker-compose or docker's compose plugin, got neither; install one (Debian: docker-compose)"
    raise pytest.fail.Exception(reason) if os.environ.get("CI") else pytest.skip.Exception(reason)


def test_the_orchestrator_s_environment_is_valid(deployed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings take what the file gives to the orchestrator, and its workers' variables are known ones."""
    made = secrets_of(deployed)
    for name, value in SERVICES["orchestrator"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda m: made.get(m[1], m[2] or ""), value))
    settings = load()
    assert settings.ledger_url == made["REDRIVE_WAREHOUSE_URL"]
    assert settings.rudderstack_write_key is None
    assert settings.mode == Settings.model_fields["mode"].default


def test_our_image_runs_as_nobody_in_particular() -> None:
    """The image's last user is a number that is not root's, and its containers can write to their own folders alone."""
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users[-1] == "10001:10001"
    ours = [service for service in SERVICES.values() if service["image"].startswith("redrive:")]
    assert len(ours) == 3
    for service in ours:
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_our_image_is_built_from_the_lock() -> None:
    """The image starts from an exact version, installs the lock with its hashes, and bears the project's version."""
    assert all(re.fullmatch(EXACT, base) for base in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert "--require-hashes --no-deps -r requirements.lock" in DOCKERFILE
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {SERVICES[name]["image"] for name in ("orchestrator", "worker", "provider")} == {f"redrive:{version}"}
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        assert all((ROOT / name).exists() for name in source.split())


def test_the_image_leaves_the_tools_of_the_tests_out() -> None:
    """What the server and the sample worker need stays; test tools and load generators go."""
    needed = runpy.run_path(str(ROOT / "deploy/unneeded.py"))["needed"]()
    assert {"redrive", "celery", "redis", "fastapi", "psycopg-binary", "st2client", "yaql", "certifi"} <= needed
    assert not {"pytest", "mypy", "ruff", "locust", "gevent", "hypothesis", "uv"} & needed


def test_the_pack_s_configuration_names_what_the_pack_knows() -> None:
    """Each property is one of the pack's schema, and the token comes from the datastore."""
    config = yaml.safe_load((ROOT / "deploy/stackstorm/configs/redrive.yaml").read_text())
    schema = yaml.safe_load((ROOT / "packs/redrive/config.schema.yaml").read_text())
    assert config.keys() <= schema.keys()
    assert config["api_token"] == "{{ st2kv.system.redrive_api_token }}"
