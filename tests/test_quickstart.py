"""The quickstart as a user runs it, and what it leaves, judged without its own code."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PROGRAM = Path(__file__).parent.parent / "examples" / "quickstart.py"


pytestmark = pytest.mark.one_spark


def quickstart(folder: Path, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, arguments)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )


def records(folder: Path) -> list:
    """All tf.Examples below a folder, parsed by TensorFlow."""
    import tensorflow as tf

    files = sorted(map(str, folder.rglob("part-*")))
    assert files
    dataset = tf.data.TFRecordDataset(files)
    return [tf.train.Example.FromString(record) for record in dataset.as_numpy_iterator()]


def values(example, name: str):
    feature = example.features.feature[name]
    return getattr(feature, feature.WhichOneof("kind")).value


def file_of(example) -> str:
    return values(example, "path")[0].decode().removeprefix("file:")


def judge(output: Path, size: int, classes: int) -> np.ndarray:
    """The confusion matrix of the SavedModel on the test records: TensorFlow and NumPy alone."""
    import tensorflow as tf

    test = records(output / "tfrecord" / "split=test")
    pixels = np.array([values(example, "pixels") for example in test], np.float32)
    model = tf.saved_model.load(str(output / "model"))
    serve = model.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]
    (probability,) = serve(**{name: pixels.reshape(-1, size, size, 1)}).values()
    assert probability.shape == (len(test), classes)
    assert np.allclose(np.sum(probability, axis=1), 1, atol=1e-5)
    confusion = np.zeros((classes, classes), int)
    for example, row in zip(test, probability.numpy(), strict=True):
        confusion[values(example, "label")[0], row.argmax()] += 1
    return confusion


def check_metrics(output: Path, size: int) -> dict:
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    confusion = judge(output, size, len(metrics["classes"]))
    assert metrics["confusion_matrix"] == confusion.tolist()
    assert metrics["accuracy"] == pytest.approx(np.trace(confusion) / confusion.sum())
    for label in range(len(confusion)):
        hits, taken, there = confusion[label, label], confusion[:, label], confusion[label]
        assert metrics["precision"][label] == pytest.approx(hits / max(taken.sum(), 1))
        assert metrics["recall"][label] == pytest.approx(hits / there.sum())
    assert len(metrics["mistakes"]) == confusion.sum() - np.trace(confusion)
    assert len(metrics["history"]["val_accuracy"]) == metrics["epochs"]
    assert metrics["history"]["val_accuracy"][-1] == pytest.approx(metrics["accuracy"], abs=1e-6)
    return metrics


def check_picture(output: Path) -> None:
    with Image.open(output / "quickstart.png") as image:
        assert image.format == "PNG"
        assert image.size == (1800, 1590)
        assert len(image.convert("RGB").getcolors(1 << 24)) > 200  # something is drawn


def test_digits_reach_the_accuracy_promised(tmp_path):
    run = quickstart(tmp_path)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    assert run.stderr == ""

    output = tmp_path / "quickstart-output"
    metrics = check_metrics(output, size=28)
    assert metrics["accuracy"] >= 0.95
    assert metrics["classes"] == list("0123456789")
    assert (metrics["train_images"], metrics["test_images"]) == (4000, 1000)
    assert np.sum(metrics["confusion_matrix"], axis=1).tolist() == [100] * 10
    check_picture(output)
    assert f"accuracy {metrics['accuracy']:.4f}" in run.stdout
    assert "5,000 rows" in run.stdout

    # every file is in one split, with its own pixels
    seen = []
    for split, count in (("train", 4000), ("test", 1000)):
        examples = records(output / "tfrecord" / f"split={split}")
        assert len(examples) == count
        for example in examples:
            path = file_of(example)
            seen.append(path)
            with Image.open(path) as image:
                pixels = np.asarray(image)
            assert values(example, "label")[0] == int(Path(path).parent.name)
            assert values(example, "image")[0] == pixels.tobytes()
            scaled = pixels.ravel() * np.float32(1 / 255)
            assert np.array_equal(np.array(values(example, "pixels"), np.float32), scaled)
    digits = output / "digits"
    assert sorted(seen) == sorted(map(str, digits.glob("*/*.png")))
    # the training files are mixed, not sorted by class
    labels = [values(example, "label")[0] for example in examples]
    assert np.count_nonzero(np.diff(labels)) > 700


def draw_shapes(folder: Path, count: int) -> None:
    """Bars that lie and bars that stand, in colour and of odd sizes."""
    random = np.random.default_rng(3)
    for number in range(count):
        for name, lying in (("große Balken", True), ("stehend", False)):
            width, height = random.integers(37, 90, 2)
            image = Image.new("RGB", (int(width), int(height)), "white")
            at = random.integers(8, 20)
            box = (0, at, width, at + 9) if lying else (at, 0, at + 9, height)
            image.paste(tuple(random.integers(0, 160, 3).tolist()), tuple(map(int, box)))
            suffix = ("png", "jpg", "bmp")[number % 3]
            (folder / name).mkdir(parents=True, exist_ok=True)
            image.save(folder / name / f"bar {number}.{suffix}")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder of one's own, what the quickstart has made of it, and what it said."""
    folder = tmp_path_factory.mktemp("own")
    shapes, output = folder / "my shapes", folder / "out"
    draw_shapes(shapes, 52)
    (shapes / "stehend" / "broken.png").write_text("no image")
    return shapes, output, quickstart_of_shapes(shapes, output, epochs=6)


def quickstart_of_shapes(shapes, output, epochs):
    arguments = ["--images", shapes, "--output", output, "--epochs", epochs, "--size", 20]
    run = quickstart(output.parent, *arguments)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    return run


@pytest.mark.long
def test_a_folder_of_ones_own(own):
    shapes, output, run = own
    assert run.stderr == ""
    assert f"left out, as Pillow cannot read it: file:{shapes}/stehend/broken.png" in run.stdout
    assert "große Balken" in run.stdout

    metrics = check_metrics(output, size=20)
    assert metrics["classes"] == ["große Balken", "stehend"]
    assert (metrics["train_images"], metrics["test_images"]) == (84, 20)
    assert np.sum(metrics["confusion_matrix"], axis=1).tolist() == [10, 10]
    assert metrics["accuracy"] >= 0.9  # lying or standing is easy to see
    check_picture(output)


@pytest.mark.long
def test_a_copy_of_the_images_elsewhere_is_split_alike_into_the_same_folder(own, tmp_path):
    shapes, output, _ = own
    test_files = {file_of(e) for e in records(output / "tfrecord" / "split=test")}
    moved = tmp_path / "elsewhere"
    shutil.copytree(shapes, moved)
    quickstart_of_shapes(moved, output, epochs=1)
    again = {file_of(e) for e in records(output / "tfrecord" / "split=test")}
    assert {path.replace(str(moved), str(shapes)) for path in again} == test_files
    assert len(records(output / "tfrecord")) == 104


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({}, "no images in class folders below"),
        ({"cat": 9}, "Two or more classes are needed"),
        ({"cat": 9, "dog": 4}, "Every class needs five images or more: 'dog' has 4"),
    ],
)
def test_a_folder_that_cannot_be_learnt_is_refused(tmp_path, classes, message):
    images = tmp_path / "images"
    images.mkdir()
    for name, count in classes.items():
        (images / name).mkdir()
        for number in range(count):
            Image.new("L", (5, 5), number).save(images / name / f"{number}.png")
    run = quickstart(tmp_path, "--images", images)
    assert run.returncode == 1
    assert run.stderr.startswith(message), run.stderr
    assert run.stderr.count("\n") == 1


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "tfrecord").write_text("mine")
    run = quickstart(tmp_path, "--output", "precious")
    assert run.returncode == 1
    assert run.stderr.startswith("precious holds other files")
    assert [path.name for path in (tmp_path / "precious").iterdir()] == ["tfrecord"]


def test_a_mistyped_command_says_what_is_wrong(tmp_path):
    run = quickstart(tmp_path, "--images", "absent")
    assert run.returncode == 2
    assert "there is no folder absent" in run.stderr
    run = quickstart(tmp_path, "--epochs", "0")
    assert run.returncode == 2
    assert "a whole number from 1, not '0'" in run.stderr
