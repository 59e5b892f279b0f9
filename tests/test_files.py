"""Files and folders are there whole or not at all, whatever fails while they are written."""

import pandas as pd
import pytest

from nrrsim.errors import UsageError
from nrrsim.files import whole, whole_folder, write_parquet, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fail_at_half(file, error):
    with whole(file) as unfinished:
        unfinished.write_text("half")
        raise error


def fill(folder, name, error=None):
    with whole_folder(folder) as work:
        (work / name).write_text(name)
        if error:
            raise error


def test_a_file_takes_the_place_of_the_one_before(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("before")
    with whole(file) as unfinished:
        unfinished.write_text("after")
        assert unfinished.parent == tmp_path, "on the same drive, so that a rename is one step"
        assert file.read_text() == "before"
    assert file.read_text() == "after"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError("ours"), UsageError("said"), KeyboardInterrupt()])
def test_what_fails_leaves_what_stood_there(tmp_path, error):
    file = tmp_path / "a.txt"
    file.write_text("before")
    with pytest.raises(type(error)):
        fail_at_half(file, error)
    assert file.read_text() == "before"
    assert names(tmp_path) == ["a.txt"]


def test_a_new_file_replaces_nothing(tmp_path):
    file = tmp_path / "a.txt"
    with whole(file, new=True) as unfinished:
        unfinished.write_text("first")
    with pytest.raises(FileExistsError), whole(file, new=True) as unfinished:
        unfinished.write_text("second")
    assert file.read_text() == "first"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("folder", ["none", "a.txt"])
def test_what_cannot_be_written_is_said(tmp_path, folder):
    (tmp_path / "a.txt").write_text("a file")
    file = tmp_path / folder / "{b}.txt"
    with pytest.raises(UsageError, match=r"\{b\}\.txt: cannot be written \(.+\); is its folder"):
        write_text(file, "text")
    with pytest.raises(UsageError, match=r"cannot be written \(.+\); is its folder"):
        write_parquet(pd.DataFrame({"x": [1]}), file, {})
    with (
        pytest.raises(UsageError, match=f"^no room in .*{folder}$"),
        whole(file, "no room in {folder}") as unfinished,
    ):
        unfinished.write_text("text")
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_takes_the_place_of_the_one_before(tmp_path):
    final = tmp_path / "report"
    for name in ("first", "second"):
        fill(final, name)
        assert names(final) == [name]
    with pytest.raises(ValueError, match="ours"):
        fill(final, "third", ValueError("ours"))
    assert names(final) == ["second"]
    assert names(tmp_path) == ["report"]
    assert final.stat().st_mode & 0o777 == 0o755
