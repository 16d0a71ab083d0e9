"""The settings are validated once, name the variable that is wrong, and never show a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from eventbus import scrub
from orchestrator.domain.commands import Mode
from orchestrator.domain.errors import SettingsInvalid
from orchestrator.settings import Settings, load

NEEDED = {
    "bus_url": "redrive+sqlite:////tmp/bus.sqlite",
    "ledger_url": "sqlite:////tmp/ledger.sqlite",
    "eventlog_url": "sqlite:////tmp/events.sqlite",
    "warehouse_url": "sqlite:////tmp/warehouse.sqlite",
    "stackstorm_url": "http://127.0.0.1:9101",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give what is needed in the environment, and nothing else."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"REDRIVE_{name.upper()}", raising=False)
    for name, value in NEEDED.items():
        monkeypatch.setenv(f"REDRIVE_{name.upper()}", value)


def test_the_environment_is_enough() -> None:
    """With the URLs given everything else has a default; nothing is published before somebody says so."""
    settings = load()
    assert (settings.bus_url, settings.mode) == (NEEDED["bus_url"], Mode.OBSERVE)
    assert settings.redrive_url == settings.bus_url
    assert (settings.api_host, settings.api_token) == ("127.0.0.1", None)


def test_the_broker_may_be_another_than_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks are published to the Celery broker where one is named, else to the bus."""
    monkeypatch.setenv("REDRIVE_BROKER_URL", "amqp://elsewhere//")
    assert load().redrive_url == "amqp://elsewhere//"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_port", "70000"),
        ("api_port", "many"),
        ("mode", "fast"),
        ("stackstorm_timeout", "0"),
        ("outcome_grace", "-1"),
        ("lease_seconds", "soon"),
        ("bus_url", "http://rabbitmq"),
        ("bus_url", "rabbitmq:5672"),
        ("broker_url", "sqlite:////tmp/bus.sqlite"),
        ("ledger_url", "mysql://h/redrive"),
        ("eventlog_url", "/var/events.sqlite"),
        ("stackstorm_url", "stackstorm.acme.com/api"),
        ("stackstorm_auth_url", "stackstorm.acme.com/auth"),
        ("stackstorm_cacert", "/nowhere/ca.pem"),
        ("rudderstack_url", "amqp://h"),
    ],
)
def test_a_wrong_value_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The error names the environment variable to correct."""
    monkeypatch.setenv(f"REDRIVE_{name.upper()}", value)
    with pytest.raises(SettingsInvalid, match=f"REDRIVE_{name.upper()}: "):
        load()


def test_a_url_of_a_wrong_scheme_is_told_without_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheme alone is repeated: a password may stand behind it."""
    monkeypatch.setenv("REDRIVE_LEDGER_URL", "mysql://redrive:hunter22@h/redrive")
    with pytest.raises(SettingsInvalid, match=r"begins with sqlite://, postgresql://; got mysql://$") as refused:
        load()
    assert "hunter22" not in str(refused.value)


def test_a_database_may_name_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """postgresql+psycopg:// is PostgreSQL."""
    monkeypatch.setenv("REDRIVE_LEDGER_URL", "postgresql+psycopg://h/redrive")
    assert load().ledger_url == "postgresql+psycopg://h/redrive"


def test_blanks_around_patterns_of_tasks_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """`a.*, b` names two patterns: one that begins with a blank would match no task."""
    monkeypatch.setenv("REDRIVE_IDEMPOTENT_TASKS", " shop.*, reports.daily ,, ")
    assert load().idempotent_tasks == ("shop.*", "reports.daily")


def test_each_embedder_has_a_threshold_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, as JSON; one that no score can reach is refused."""
    assert load().similarity_thresholds == {}
    monkeypatch.setenv("REDRIVE_SIMILARITY_THRESHOLDS", '{"text-embedding-3-small": 0.8}')
    assert load().similarity_thresholds == {"text-embedding-3-small": 0.8}
    monkeypatch.setenv("REDRIVE_SIMILARITY_THRESHOLDS", '{"text-embedding-3-small": 1.8}')
    with pytest.raises(SettingsInvalid, match="REDRIVE_SIMILARITY_THRESHOLDS"):
        load()


def test_what_is_missing_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is missing is named at once."""
    monkeypatch.delenv("REDRIVE_BUS_URL")
    monkeypatch.delenv("REDRIVE_LEDGER_URL")
    with pytest.raises(SettingsInvalid, match=r"REDRIVE_BUS_URL: .*REDRIVE_LEDGER_URL: "):
        load()


def test_an_unknown_setting_is_refused() -> None:
    """A misspelt setting is an error, not a surprise."""
    with pytest.raises(SettingsInvalid, match="REDRIVE_MOOD"):
        load(mood="good")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "redrive.acme.com", "::"])  # noqa: S104 - refused here
def test_beyond_loopback_a_token_is_needed(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """On any other address the settings are invalid without a token, and valid with one."""
    monkeypatch.setenv("REDRIVE_API_HOST", host)
    with pytest.raises(SettingsInvalid, match="REDRIVE_API_TOKEN"):
        load()
    monkeypatch.setenv("REDRIVE_API_TOKEN", "s3cret")
    assert load().api_token.get_secret_value() == "s3cret"


def test_an_empty_token_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty variable or an empty file guards nothing, so it opens no API to the world."""
    monkeypatch.setenv("REDRIVE_API_HOST", "0.0.0.0")  # noqa: S104 - refused here
    monkeypatch.setenv("REDRIVE_API_TOKEN", "")
    with pytest.raises(SettingsInvalid, match="expected a token"):
        load()
    empty = tmp_path / "token"
    empty.write_text(" \n")
    monkeypatch.setenv("REDRIVE_API_TOKEN_FILE", str(empty))
    with pytest.raises(SettingsInvalid, match="expected a token"):
        load()


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file's text without its newline is the secret; a variable beside it goes first; no file is told."""
    path = tmp_path / "token"
    path.write_text("from-file\n")
    monkeypatch.setenv("REDRIVE_API_TOKEN_FILE", str(path))
    assert load().api_token.get_secret_value() == "from-file"
    monkeypatch.setenv("REDRIVE_API_TOKEN", "from-variable")
    assert load().api_token.get_secret_value() == "from-variable"
    monkeypatch.delenv("REDRIVE_API_TOKEN")
    path.unlink()
    with pytest.raises(SettingsInvalid, match="expected a file that can be read"):
        load()


def test_a_token_for_each_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From the environment, a file, or the settings' file; beside the single token; beyond loopback one is enough."""
    monkeypatch.setenv("REDRIVE_API_HOST", "0.0.0.0")  # noqa: S104 - read here, served nowhere
    monkeypatch.setenv("REDRIVE_API_TOKENS", '{"ann": "anns-own", "stackstorm": "the-pack-s"}')
    assert load().tokens_by_name == {"ann": "anns-own", "stackstorm": "the-pack-s"}
    monkeypatch.setenv("REDRIVE_API_TOKEN", "s3cret")
    assert load().tokens_by_name["token"] == "s3cret"
    assert scrub.text("anns-own went out, stackstorm is no secret") == "[hidden] went out, stackstorm is no secret"
    monkeypatch.delenv("REDRIVE_API_TOKENS")
    path = tmp_path / "tokens"
    path.write_text('ann = "from-file"\n')
    monkeypatch.setenv("REDRIVE_API_TOKENS_FILE", str(path))
    assert load().tokens_by_name["ann"] == "from-file"
    monkeypatch.delenv("REDRIVE_API_TOKENS_FILE")
    settings = tmp_path / "redrive.toml"
    settings.write_text('[api_tokens]\nbob = "from-the-settings"\n')
    monkeypatch.setenv("REDRIVE_SETTINGS_FILE", str(settings))
    assert load().tokens_by_name == {"token": "s3cret", "bob": "from-the-settings"}


@pytest.mark.parametrize("given", ['{"a b": "hunter2-long"}', "hunter2-long", '{"token": "hunter2-long"}', '{"a": 1}'])
def test_tokens_that_are_none_are_refused_and_never_told(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """The variable is named, and no token; the single one may be none of the others."""
    monkeypatch.setenv("REDRIVE_API_TOKENS", given)
    with pytest.raises(SettingsInvalid, match="REDRIVE_API_TOKENS: ") as refused:
        load()
    assert "hunter2-long" not in str(refused.value)
    monkeypatch.setenv("REDRIVE_API_TOKENS", '{"ann": "hunter2-long"}')
    monkeypatch.setenv("REDRIVE_API_TOKEN", "hunter2-long")
    with pytest.raises(SettingsInvalid, match="none of REDRIVE_API_TOKENS") as refused:
        load()
    assert "hunter2-long" not in str(refused.value)


def test_rudderstack_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data plane without a write key is no sink."""
    monkeypatch.setenv("REDRIVE_RUDDERSTACK_URL", "http://127.0.0.1:8080")
    with pytest.raises(SettingsInvalid, match="REDRIVE_RUDDERSTACK_WRITE_KEY"):
        load()
    monkeypatch.setenv("REDRIVE_RUDDERSTACK_WRITE_KEY", "wk")
    assert load().rudderstack_write_key.get_secret_value() == "wk"


def test_a_login_at_stackstorm_is_whole_and_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a password says nothing; a key beside both leaves open which of them counts."""
    monkeypatch.setenv("REDRIVE_STACKSTORM_AUTH_URL", "https://stackstorm.example/auth/v1")
    monkeypatch.setenv("REDRIVE_STACKSTORM_USER", "redrive")
    with pytest.raises(SettingsInvalid, match="and REDRIVE_STACKSTORM_PASSWORD, got some"):
        load()
    monkeypatch.setenv("REDRIVE_STACKSTORM_PASSWORD", "hunter22")
    assert load().stackstorm_password.get_secret_value() == "hunter22"
    monkeypatch.setenv("REDRIVE_STACKSTORM_API_KEY", "s3cret")
    with pytest.raises(SettingsInvalid, match="expected REDRIVE_STACKSTORM_API_KEY, or all of"):
        load()


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the settings nor their errors show a token or a key."""
    monkeypatch.setenv("REDRIVE_API_TOKEN", "s3cret")
    monkeypatch.setenv("REDRIVE_STACKSTORM_API_KEY", "s3cret")
    assert "s3cret" not in repr(load())
    monkeypatch.setenv("REDRIVE_API_PORT", "x")
    with pytest.raises(SettingsInvalid) as caught:
        load(api_token=["s3cret"])
    assert "s3cret" not in str(caught.value)


def test_write_keys_are_checked_and_never_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each key has its source's name, from the environment or a file; neither an error nor a later text tells one."""
    assert load().sources_by_key == {}
    (tmp_path / "keys").write_text("web=the-web-key,app=the-app-key\n")
    monkeypatch.setenv("REDRIVE_WRITE_KEYS_FILE", str(tmp_path / "keys"))
    assert load().sources_by_key == {"the-web-key": "web", "the-app-key": "app"}
    assert scrub.text("key the-app-key came") == "key [hidden] came"
    monkeypatch.setenv("REDRIVE_WRITE_KEYS", "a-key-without-a-name")
    with pytest.raises(SettingsInvalid, match=r"REDRIVE_WRITE_KEYS: .*expected name=key") as told:
        load()
    assert "without-a-name" not in str(told.value)


def test_patterns_of_tasks_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are separated by commas; none is none."""
    assert load().idempotent_tasks == ()
    monkeypatch.setenv("REDRIVE_IDEMPOTENT_TASKS", "app.*,billing.read,")
    assert load().idempotent_tasks == ("app.*", "billing.read")


def test_settings_do_not_change() -> None:
    """What was validated stays what it was."""
    with pytest.raises(ValidationError):
        load().api_port = 1


def test_the_environment_comes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the file says holds, unless the environment says something else."""
    path = tmp_path / "redrive.toml"
    path.write_text('mode = "act"\nlease_seconds = 3\nidempotent_tasks = ["mail.*"]\n')
    monkeypatch.setenv("REDRIVE_SETTINGS_FILE", str(path))
    monkeypatch.setenv("REDRIVE_LEASE_SECONDS", "7")
    settings = load()
    assert (settings.mode, settings.lease_seconds, settings.idempotent_tasks) == (Mode.ACT, 7, ("mail.*",))


@pytest.mark.parametrize("content", [None, "mode = ", 'moed = "act"'])
def test_a_file_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    """A missing file, one that is no TOML, and one with an unknown key are errors, never a silent default."""
    path = tmp_path / "redrive.toml"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("REDRIVE_SETTINGS_FILE", str(path))
    with pytest.raises(SettingsInvalid):
        load()


def test_a_variable_that_is_nearly_a_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typo names the setting that was meant, and not the value."""
    monkeypatch.setenv("REDRIVE_API_TOKEM", "hunter2")
    with pytest.raises(SettingsInvalid, match="did you mean REDRIVE_API_TOKEN") as caught:
        load()
    assert "hunter2" not in str(caught.value)


def test_every_setting_is_documented() -> None:
    """docs/settings.md has a row for each setting; a `..._FILE` stands beside its secret."""
    page = (Path(__file__).parents[3] / "docs/settings.md").read_text()
    for name in Settings.model_fields:
        documented = name.removesuffix("_file") if name.endswith("_file") else name
        assert f"`REDRIVE_{documented.upper()}`" in page, name


ROUTES = '[{"task": "llm.*", "targets": ["bulk"], "home_memory_class": "tiny"}]'


def test_routes_are_read_from_json_and_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is the same from both; its classes are those of the settings."""
    assert load().routes.rules == ()
    file = tmp_path / "redrive.toml"
    file.write_text(
        'memory_classes = ["tiny", "huge"]\n[[routes]]\ntask = "llm.*"\nhome_memory_class = "tiny"\n'
        '[[routes.targets]]\nqueue = "bulk"\n'
    )
    monkeypatch.setenv("REDRIVE_SETTINGS_FILE", str(file))
    from_file = load().routes
    monkeypatch.delenv("REDRIVE_SETTINGS_FILE")
    monkeypatch.setenv("REDRIVE_MEMORY_CLASSES", "tiny, huge")
    monkeypatch.setenv("REDRIVE_ROUTES", ROUTES)
    assert load().routes == from_file
    assert from_file.of("llm.ask", None).targets[0].queue == "bulk"
    assert from_file.classes.memory == ("tiny", "huge")


def test_wrong_routes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named, and in it the entry and the key."""
    monkeypatch.setenv("REDRIVE_ROUTES", ROUTES)
    with pytest.raises(
        SettingsInvalid, match=r"REDRIVE_ROUTES: .*routes\[0\].home_memory_class: expected one of small"
    ):
        load()
    monkeypatch.setenv("REDRIVE_ROUTES", "[")
    with pytest.raises(SettingsInvalid, match=r"REDRIVE_ROUTES: .*expected a list of entries as JSON, got"):
        load()
