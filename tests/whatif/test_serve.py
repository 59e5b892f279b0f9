"""What `nrrsim lab` and `nrrsim app` start and refuse; test_browser tries the servers."""

import importlib.metadata
import json
import os
import shutil
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT

import nrrsim as nr
from nrrsim import files
from nrrsim.whatif import serve

SCENARIO = ROOT / "params" / "scenarios" / "recession.yaml"


@pytest.fixture
def started(monkeypatch, tmp_path):
    """An empty folder to stand in, and the words that a server of our own was started with."""
    words = []

    def launch_instance(given):
        words.extend(given)
        words.extend(Path(each).read_text() for each in given[:1] if not each.startswith("--"))
        raise KeyboardInterrupt

    server = SimpleNamespace(launch_instance=launch_instance, clear_instance=lambda: None)
    monkeypatch.setattr(
        serve, "_needed", lambda module: SimpleNamespace(LabApp=server, Voila=server)
    )
    monkeypatch.setattr(serve, "_page_of", lambda server: server)
    monkeypatch.chdir(tmp_path)
    for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH"):
        monkeypatch.setenv(name, "")
    return words


def starts_from(notebook) -> str:
    return next(
        each
        for each in json.loads(notebook)["cells"]
        if "injected-parameters" in each["metadata"]["tags"]
    )["source"][1]


@pytest.mark.parametrize("start", [serve.lab, serve.app])
def test_only_this_machine_may_open_it_and_with_the_token_alone(started, start, capsys):
    start(None, None, False)
    address = capsys.readouterr().out.strip()
    token = address.partition("?token=")[2]
    assert len(token) >= 32
    assert address.startswith("http://127.0.0.1:")
    assert [each for each in started if each.endswith(".ip=127.0.0.1")]
    assert [each for each in started if each.endswith(f".token={token}")]
    assert [each for each in started if each.endswith(".port_retries=0")]
    assert [each for each in started if each.endswith(".open_browser=False")]


def test_where_there_is_no_checkout_the_examples_are_put_there(started, tmp_path):
    serve.lab(None, None, False)
    assert {each.name for each in tmp_path.iterdir()} == {"scenarios", "what_if.ipynb"}
    assert len(list((tmp_path / "scenarios").iterdir())) == 11
    assert 'scenario = "scenarios/nrr-105.yaml"' in starts_from(
        (tmp_path / "what_if.ipynb").read_text()
    )
    (tmp_path / "scenarios" / "nrr-128.yaml").write_text("mine")
    (tmp_path / "scenarios" / "win-back.yaml").unlink()
    serve.lab(None, None, False)
    assert (tmp_path / "scenarios" / "nrr-128.yaml").read_text() == "mine"


def test_in_a_checkout_its_own_notebook_is_opened(started, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "what_if.ipynb").write_text("{}")
    serve.lab(None, None, False)
    assert "--LabApp.default_url=/lab/tree/notebooks/what_if.ipynb" in started
    assert (tmp_path / "notebooks" / "what_if.ipynb").read_text() == "{}"


def test_a_notebook_that_is_there_is_kept(started, tmp_path):
    serve.lab(str(SCENARIO), None, False)
    written = (tmp_path / "what_if.ipynb").read_text()
    assert f'scenario = "{os.path.relpath(SCENARIO)}"' in starts_from(written)
    serve.lab(str(SCENARIO), None, False)
    with pytest.raises(nr.UsageError, match="is there already, and starts from"):
        serve.lab(str(SCENARIO.with_name("nrr-128.yaml")), None, False)
    assert (tmp_path / "what_if.ipynb").read_text() == written


def test_an_app_leaves_nothing_behind(started, tmp_path):
    serve.app(str(SCENARIO), None, False)
    assert list(tmp_path.iterdir()) == []
    book = json.loads(started[-1])
    assert nr.read_scenario(SCENARIO).title == "Recession"
    assert "recession.yaml" in "".join(book["cells"][2]["source"])
    assert "--VoilaConfiguration.strip_sources=True" in started


@pytest.mark.parametrize("start", [serve.lab, serve.app])
def test_what_cannot_be_served_leaves_nothing_behind(started, start, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(nr.UsageError, match="taken; choose another"):
            start(str(SCENARIO), taken.getsockname()[1], False)
    with pytest.raises(nr.UsageError, match=r"from 1 to 65,535, got 0"):
        start(str(SCENARIO), 0, False)
    with pytest.raises(nr.UsageError, match="absent"):
        start("absent.yaml", None, False)
    assert list(tmp_path.iterdir()) == []
    assert started == []


def test_a_folder_that_cannot_be_written_is_said(started, tmp_path):
    (tmp_path / "scenarios").write_text("a file")
    for start in (serve.lab, serve.app):
        with pytest.raises(nr.UsageError, match="scenarios: cannot be written"):
            start(None, None, False)


def test_a_workspace_starts_from_its_plan(started, tmp_path):
    """And from what else is there, before any example is copied."""
    own = tmp_path / "params" / "scenarios"
    own.mkdir(parents=True)
    first = SCENARIO.with_name("nrr-105.yaml")
    shutil.copy(first, own / "budget.yaml")
    serve.app(None, None, False)
    assert "budget.yaml" in starts_from(started[-1])
    shutil.copy(first, own / "plan.yaml")
    shutil.copy(first, own / "nrr-105.yaml")
    serve.lab(None, None, False)
    assert 'scenario = "params/scenarios/plan.yaml"' in starts_from(
        (tmp_path / "what_if.ipynb").read_text()
    )
    assert {each.name for each in tmp_path.iterdir()} == {"params", "what_if.ipynb"}


def test_an_example_is_started_from_by_its_name(started, tmp_path):
    for _ in range(2):
        serve.lab("recession", None, False)
        assert 'scenario = "scenarios/recession.yaml"' in starts_from(
            (tmp_path / "what_if.ipynb").read_text()
        )
    with pytest.raises(nr.UsageError, match="did you mean recession"):
        serve.app("recesion", None, False)


def test_what_is_for_jupyterlab_alone_is_not_on_the_page(started, tmp_path):
    serve.lab(str(SCENARIO), None, False)
    serve.app(str(SCENARIO), None, False)
    assert "Run All Cells" in (tmp_path / "what_if.ipynb").read_text()
    assert "Run All Cells" not in started[-1]


# --- what is missing ------------------------------------------------------------------------------


def test_without_the_extra_it_says_what_to_install():
    with pytest.raises(nr.UsageError, match="app needs nothing_like_it, which is not installed"):
        serve._needed("nothing_like_it")


def test_after_make_report_it_is_made(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(ROOT / ".venv"))
    monkeypatch.chdir(ROOT)
    assert serve._installed_by("lab").splitlines()[1::2] == ["make lab", ".venv-lab/bin/nrrsim lab"]
    monkeypatch.chdir(tmp_path)
    make, own = serve._installed_by("app").splitlines()[1::2]
    assert make == f"make -C {ROOT} app"
    assert (tmp_path / own.split()[0]).resolve() == ROOT / ".venv-lab" / "bin" / "nrrsim"
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert serve._installed_by("app").endswith('pip install "nrrsim[lab]"')


@pytest.mark.parametrize(
    ("python", "pip", "has_pip", "typed"),
    [
        ("/x/bin/python", "/x/bin/pip", True, 'pip install "nrrsim[lab]"'),
        ("/x/bin/python", "/usr/bin/pip", True, '/x/bin/python -m pip install "nrrsim[lab]"'),
        ("/x/bin/python", None, True, '/x/bin/python -m pip install "nrrsim[lab]"'),
        ("/x/bin/python", None, False, 'uv pip install --python /x/bin/python "nrrsim[lab]"'),
        ("/x/archive-v0/y/bin/python", None, False,
         'uvx --from "nrrsim[lab] @ file:///x/nrrsim.whl" nrrsim app'),
    ],
)  # fmt: skip
def test_an_extra_is_installed_as_nrrsim_was(monkeypatch, python, pip, has_pip, typed):
    monkeypatch.setattr(sys, "executable", python)
    monkeypatch.setattr(files.shutil, "which", lambda name: pip)
    monkeypatch.setattr(files, "find_spec", lambda name: name if has_pip else None)
    told = SimpleNamespace(read_text=lambda name: '{"url": "file:///x/nrrsim.whl"}')
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: told)
    assert files.to_install("lab", "nrrsim app") == typed
