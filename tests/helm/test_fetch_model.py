"""The script that fetches models: nothing but the archive that was named ends up in the folder."""

import hashlib
import io
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.helm.rendering import CHART

SCRIPT = (CHART / "files" / "fetch_model.py").read_text()
FILES = {"model.json": b"{}", "config.json": b"{}", "deep/weights": b"w" * 100_000}


def archive(files, top="", kind="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=kind) as content:
        for name, data in files.items():
            about = tarfile.TarInfo(top + name)
            about.size = len(data)
            content.addfile(about, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture
def server():
    """Serves what `answers` holds, and remembers what was asked with which token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.headers["Host"].partition(":")[0], self.path, self.headers["Authorization"]))
            status, body = answers.get(self.path, (404, b""))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body)
            self.end_headers()
            if status == 200:
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    answers, asked = {}, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        running.answers, running.asked = answers, asked
        yield running
        running.shutdown()
        thread.join()


def fetch(server, folder, data, *, path="/m.tar.gz", sha256="", token=""):
    server.answers.setdefault(path, (200, data))
    command = [sys.executable, "-c", SCRIPT, f"http://127.0.0.1:{server.server_port}{path}"]
    digest = sha256 or hashlib.sha256(data).hexdigest()
    environment = {"PATH": "/usr/bin:/bin", "no_proxy": "*"} | ({"MODEL_TOKEN": token} if token else {})
    return subprocess.run([*command, digest, str(folder)], capture_output=True, text=True, env=environment, check=False)


def found(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".sha256"
    }


@pytest.mark.parametrize("top", ["", "a-model/"])
@pytest.mark.parametrize("kind", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_model_is_unpacked(top, kind, server, tmp_path):
    done = fetch(server, tmp_path, archive(FILES, top, kind))
    assert done.returncode == 0, done.stderr
    assert found(tmp_path) == FILES


def test_a_model_that_is_there_is_not_fetched_again(server, tmp_path):
    data = archive(FILES)
    fetch(server, tmp_path, data)
    assert fetch(server, tmp_path, data).stdout == "The model is there.\n"
    assert len(server.asked) == 1


def test_another_model_takes_the_place_of_what_was_there(server, tmp_path):
    (tmp_path / "left over").write_text("from an attempt that was killed")
    (tmp_path / ".fetching").mkdir()
    assert fetch(server, tmp_path, archive(FILES)).returncode == 0
    assert found(tmp_path) == FILES


def test_another_archive_than_the_one_that_was_named_is_not_unpacked(server, tmp_path):
    done = fetch(server, tmp_path, archive(FILES), sha256="0" * 64)
    assert done.returncode == 1
    assert "nothing was unpacked" in done.stderr
    assert "model.json" not in found(tmp_path)


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside"])
def test_nothing_is_written_outside_the_folder(name, server, tmp_path):
    folder = tmp_path / "models" / "m"
    folder.mkdir(parents=True)
    fetch(server, folder, archive({**FILES, name: b"out"}))
    assert not (tmp_path / "models" / "outside").exists()
    assert not (tmp_path / "outside").exists()


def test_an_archive_without_a_checkpoint_is_refused(server, tmp_path):
    done = fetch(server, tmp_path, archive({"other.txt": b"x"}))
    assert (done.returncode, "there is no model.json" in done.stderr) == (1, True)


def test_a_server_that_has_none_is_named_without_its_query(server, tmp_path):
    server.answers["/gone?signature=secret"] = (404, b"")
    done = fetch(server, tmp_path, b"", path="/gone?signature=secret")
    assert (done.returncode, "404" in done.stderr) == (1, True)
    assert "secret" not in done.stderr + done.stdout


def test_a_token_goes_to_the_host_that_was_named_and_to_no_other(server, tmp_path):
    data = archive(FILES)
    server.answers["/moved"] = (302, f"http://localhost:{server.server_port}/m.tar.gz")
    server.answers["/m.tar.gz"] = (200, data)
    done = fetch(server, tmp_path, data, path="/moved", token="hidden")
    assert done.returncode == 0, done.stderr
    assert server.asked == [("127.0.0.1", "/moved", "Bearer hidden"), ("localhost", "/m.tar.gz", None)]
