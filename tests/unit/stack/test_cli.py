import pytest

from q2c.stack.cli import main


def test_exec_without_a_command_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exec", "--"]) == 1
    assert "exec needs a command" in capsys.readouterr().err


def test_an_unknown_action_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(["fly"])
    assert refusal.value.code == 2
    assert "invalid choice: 'fly'" in capsys.readouterr().err
