"""examples/image_recognition.py on a real HDFS, with real digits."""

import sys

import example_programs
import hadoop_servers
import numpy as np
import pytest
from PIL import Image

import sparktf
from sparktf.storage import by_spark

pytestmark = [pytest.mark.one_spark, pytest.mark.timeout(700), pytest.mark.long]

OF_EACH = 100


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Folders of a hundred digits of each class, and others turned by some degrees as new ones."""
    sys.path.insert(0, str(example_programs.EXAMPLES))
    from quickstart_digits import write_digits

    sys.path.remove(str(example_programs.EXAMPLES))
    everything = tmp_path_factory.mktemp("everything")
    write_digits(everything)
    folder = tmp_path_factory.mktemp("digits")
    for label in range(10):
        paths = sorted((everything / str(label)).iterdir())
        for kind, chosen in (("known", paths[:OF_EACH]), ("new", paths[OF_EACH : OF_EACH + 10])):
            (folder / kind / str(label)).mkdir(parents=True)
            for path in chosen:
                with Image.open(path) as image:
                    changed = image if kind == "known" else image.rotate(5).resize((40, 36))
                    changed.save(folder / kind / str(label) / path.name)
    (folder / "known" / "3" / "no image.png").write_bytes(b"what is this?")
    return folder


def test_from_images_on_hdfs_to_predictions_on_hdfs(spark, digits, tmp_path):
    with hadoop_servers.hdfs(tmp_path / "hdfs") as hdfs:
        home = f"{hdfs}/user/someone"
        by_spark.HadoopPlace(spark, f"{home}/images").write(digits)
        images = ["--images", f"{home}/images/known", "--new", f"{home}/images/new"]
        output = ["--output", f"{home}/out", "--epochs", 6]
        printed = example_programs.run("image_recognition.py", [*images, *output], tmp_path)
        assert "of 10 classes" in printed
        accuracy = float(printed.partition("held-out accuracy: ")[2].split()[0])
        assert accuracy >= 0.85

        # What lies there is what Pillow reads, without the file that is no image.
        expected = {}
        for path in (digits / "known").glob("*/*.png"):
            if path.stem != "no image":
                with Image.open(path) as image:
                    pixels = np.multiply(np.asarray(image), np.float32(1 / 255), dtype=np.float32)
                    expected[f"{path.parent.name}/{path.name}"] = pixels.reshape(-1)
        for kind in ("parquet", "tfrecord"):
            rows = spark.read.format(kind).load(f"{home}/out/{kind}").collect()
            assert len(rows) == len(expected) == 10 * OF_EACH
            for row in rows:
                name = "/".join(row.path.split("/")[-2:])
                assert (np.float32(row.pixels) == expected[name]).all()
                assert str(row.label) == row.label_name == name[0]

        found = spark.read.option("header", True).csv(f"{home}/out/predictions").collect()
        right = [row["class"] == row.path.split("/")[-2] for row in found]
        assert len(right) == 100
        assert np.mean(right) >= 0.8

        # The network that was saved is the one that was judged.
        model = sparktf.load_model(f"{home}/out/model.zip")
        test = spark.read.format("tfrecord").load(f"{home}/out/tfrecord").where("split = 'test'")
        rows = test.select("label", "pixels").collect()
        scores = model.predict(np.float32([row.pixels for row in rows]).reshape(-1, 28, 28, 1))
        assert np.mean(scores.argmax(axis=1) == [row.label for row in rows]) == pytest.approx(
            accuracy, abs=1e-4
        )
