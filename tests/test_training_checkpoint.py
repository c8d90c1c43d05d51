"""Where checkpoints lie: on this machine, in S3, and where fsspec alone can go."""

import hadoop_servers
import pytest

from sparktf.training.process.checkpoint import Folder

pytestmark = pytest.mark.one_spark


def check(uri):
    folder = Folder(uri)
    assert folder.epochs() == []
    for epoch in range(1, 5):
        folder.write(epoch, b"state %d" % epoch)
    assert folder.epochs() == [4, 3]
    assert Folder(uri).read(4) == b"state 4"
    assert folder.read(3) == b"state 3"
    return folder


def test_a_local_folder(tmp_path):
    check(str(tmp_path / "a" / "b"))
    check(f"file:{tmp_path}/100%25 ä #1")
    check(f"file://{tmp_path}/100%25")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "100%25 ä #1", "100%25"}
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == [
        "epoch-000003.npz",
        "epoch-000004.npz",
    ]


def test_what_a_killed_chief_has_left_is_no_checkpoint(tmp_path):
    begun = tmp_path / "epoch-000005.npz.part"
    begun.write_bytes(b"half")
    another = tmp_path / "download.part"
    another.touch()
    folder = check(str(tmp_path))
    assert folder.epochs() == [4, 3]
    assert not begun.exists()
    assert another.exists()


def test_s3(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    with hadoop_servers.s3(tmp_path, "models") as endpoint:
        where = endpoint.replace("http://", "")
        settings = f"scheme=http&endpoint_override={where}&region=us-east-1"
        for scheme in ("s3", "s3a"):
            check(f"{scheme}://models/{scheme}/runs ä?{settings}")


def test_what_only_fsspec_opens(tmp_path):
    check(f"local://{tmp_path}/runs")
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_a_path_that_nothing_opens():
    with pytest.raises(ValueError, match=r"cannot be kept at abc://d/e \(pyarrow: .*; fsspec: "):
        Folder("abc://d/e")
