"""Folders of images through Spark, against what Pillow alone makes of the same files."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyspark.errors import AnalysisException

import sparktf
from sparktf.images import decoding

pytestmark = pytest.mark.oldest_and_newest

COLUMNS = [
    ("path", "string"),
    ("label", "bigint"),
    ("label_name", "string"),
    ("image", "binary"),
    ("height", "int"),
    ("width", "int"),
    ("channels", "int"),
]
RED, WHITE, BLACK = (255, 0, 0), (255, 255, 255), (0, 0, 0)


def picture(width: int, height: int, seed: int = 0, mode: str = "RGB") -> Image.Image:
    """Random blotches: no two regions are alike, and neighbours resemble each other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def save(path: Path, image: Image.Image | None = None, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or picture(9, 9)).save(path, **options)
    return path


def pixels_of(row) -> np.ndarray:
    return np.frombuffer(row.image, np.uint8).reshape(row.height, row.width, row.channels)


def by_name(df) -> dict:
    """Rows by the name of their file."""
    return {row.path.rpartition("/")[2]: row for row in df.collect()}


def labels(df) -> dict[str, int]:
    return {row.label_name: row.label for row in df.collect()}


def test_a_row_per_image_with_the_pixels_that_pillow_makes(spark, tmp_path):
    save(tmp_path / "dog" / "1.png", picture(40, 30, seed=1))
    save(tmp_path / "cat" / "2.png", picture(28, 28, seed=2))
    save(tmp_path / "cat" / "3.bmp", picture(7, 90, seed=3))

    df = sparktf.images.read_folder(spark, str(tmp_path))
    assert df.dtypes == COLUMNS
    rows = by_name(df)
    assert {name: (row.label, row.label_name) for name, row in rows.items()} == {
        "1.png": (1, "dog"),
        "2.png": (0, "cat"),
        "3.bmp": (0, "cat"),
    }
    for name, row in rows.items():
        assert row.path == f"file:{tmp_path}/{row.label_name}/{name}"
        assert (row.height, row.width, row.channels) == (28, 28, 1)
        with Image.open(tmp_path / row.label_name / name) as image:
            expected = image.convert("L").resize((28, 28), Image.Resampling.BILINEAR)
        assert row.image == expected.tobytes()


def test_size_is_height_then_width(spark, tmp_path):
    save(tmp_path / "a" / "1.png", picture(40, 30))
    row = sparktf.images.read_folder(spark, str(tmp_path), size=(10, 20), mode="RGB").first()
    assert (row.height, row.width, row.channels) == (10, 20, 3)
    assert row.image == picture(40, 30).resize((20, 10), Image.Resampling.BILINEAR).tobytes()


def test_without_a_size_images_keep_their_own(spark, tmp_path):
    save(tmp_path / "a" / "wide.png", picture(40, 3))
    save(tmp_path / "a" / "high.png", picture(5, 11))
    rows = by_name(sparktf.images.read_folder(spark, str(tmp_path), size=None, mode="RGB"))
    assert np.array_equal(pixels_of(rows["wide.png"]), np.asarray(picture(40, 3)))
    assert np.array_equal(pixels_of(rows["high.png"]), np.asarray(picture(5, 11)))


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_filters_are_pillows_by_name(spark, tmp_path, name):
    save(tmp_path / "a" / "1.png", picture(50, 41))
    row = sparktf.images.read_folder(spark, str(tmp_path), (9, 8), "RGB", resample=name).first()
    expected = picture(50, 41).resize((8, 9), Image.Resampling[name.upper()])
    assert row.image == expected.tobytes()


def test_any_folder_name_is_a_class_name(spark, tmp_path):
    names = ["black cats", "Käse", "日本", "50%", "a%20b", "color=red", "[x]*{y}?", "a+b", "Zoo"]
    root = tmp_path / "all [of] them=1 100%"
    for name in names:
        save(root / name / f"{name}.png")
    df = sparktf.images.read_folder(spark, str(root))
    # by code point: digits, capitals, brackets, small letters, the rest
    assert labels(df) == {name: label for label, name in enumerate(sorted(names))}
    assert {row.path for row in df.collect()} == {f"file:{root}/{n}/{n}.png" for n in names}
    assert df.dtypes == COLUMNS  # color=red has made no partition column


def test_only_images_directly_in_class_folders_count(spark, tmp_path):
    save(tmp_path / "root" / "cat" / "1.png")
    save(tmp_path / "root" / "dog" / "1.png")
    save(tmp_path / "root" / "stray.png")
    (tmp_path / "root" / "README.txt").write_text("no image")
    save(tmp_path / "root" / "cat" / "deeper" / "1.png")
    save(tmp_path / "root" / "cat" / "root" / "cat" / "1.png")
    save(tmp_path / "root" / "cat" / ".hidden.png")
    (tmp_path / "root" / "empty").mkdir()

    here = spark._jvm.java.lang.System.getProperty("user.dir")
    for path in [
        str(tmp_path / "root"),
        f"{tmp_path}/root/",
        f"{tmp_path}/x/..//root/.",
        (tmp_path / "root").as_uri(),
        os.path.relpath(tmp_path / "root", here),
    ]:
        rows = sparktf.images.read_folder(spark, path).collect()
        assert sorted((row.path, row.label) for row in rows) == [
            (f"file:{tmp_path}/root/cat/1.png", 0),
            (f"file:{tmp_path}/root/dog/1.png", 1),
        ]


def test_classes_fix_the_labels(spark, tmp_path):
    save(tmp_path / "dog" / "1.png")
    save(tmp_path / "cat" / "1.png")
    path = str(tmp_path)
    df = sparktf.images.read_folder(spark, path, classes=["dog", "bird", "cat"])
    assert labels(df) == {"dog": 0, "cat": 2}
    with pytest.raises(ValueError, match=r"class folders that are not among classes: \['cat'\]"):
        sparktf.images.read_folder(spark, path, classes=["dog"])
    with pytest.raises(ValueError, match="classes has a name twice"):
        sparktf.images.read_folder(spark, path, classes=["dog", "cat", "dog"])


def test_pattern_selects_files_by_name(spark, tmp_path):
    save(tmp_path / "cat" / "1.png")
    save(tmp_path / "cat" / "2.bmp")
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    df = sparktf.images.read_folder(spark, str(tmp_path), pattern="*.{png,bmp}")
    assert set(by_name(df)) == {"1.png", "2.bmp"}


def test_images_are_turned_upright_as_their_exif_says(spark, tmp_path):
    upright = picture(20, 12)
    turned = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # stored so; shown turned by 90° clockwise
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for orientation, how in turned.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = upright if how is None else upright.transpose(how)
        save(tmp_path / "a" / f"{orientation}.png", stored, exif=exif)
        save(tmp_path / "a" / f"{orientation}.tif", stored, exif=exif)
        save(tmp_path / "a" / f"{orientation}.jpg", stored, exif=exif, quality=95, subsampling=0)

    rows = by_name(sparktf.images.read_folder(spark, str(tmp_path), size=None, mode="RGB"))
    assert len(rows) == 3 * 8
    for name, row in rows.items():
        tolerance = 16 if name.endswith("jpg") else 0  # JPEG loses some
        difference = pixels_of(row).astype(int) - np.asarray(upright)
        assert abs(difference).max() <= tolerance, name


def test_transparent_images_lie_on_white(spark, tmp_path):
    half = Image.new("RGBA", (4, 4), (*RED, 255))
    half.paste((*BLACK, 0), (0, 0, 4, 2))  # the upper half is transparent, and black underneath
    save(tmp_path / "a" / "rgba.png", half)
    save(tmp_path / "a" / "palette.gif", half)
    keyed = Image.new("RGB", (4, 4), RED)
    keyed.paste(BLACK, (0, 0, 4, 2))
    save(tmp_path / "a" / "rgb_key.png", keyed, transparency=BLACK)
    grey = Image.new("LA", (4, 4), (0, 255))
    grey.paste((0, 0), (0, 0, 4, 2))
    save(tmp_path / "a" / "grey.png", grey)

    rows = by_name(sparktf.images.read_folder(spark, str(tmp_path), (4, 4), "RGB"))
    for name, row in rows.items():
        below = BLACK if name == "grey.png" else RED
        assert pixels_of(row)[:2].tolist() == [[[*WHITE]] * 4] * 2, name
        assert pixels_of(row)[2:].tolist() == [[[*below]] * 4] * 2, name
    rows = by_name(sparktf.images.read_folder(spark, str(tmp_path), (4, 4), "L"))
    assert pixels_of(rows["rgba.png"])[:, 0, 0].tolist() == [255, 255, 76, 76]
    assert pixels_of(rows["grey.png"])[:, 0, 0].tolist() == [255, 255, 0, 0]


def test_every_kind_of_pixel_becomes_eight_bits(spark, tmp_path):
    grey16 = np.array([[0, 255, 256, 0x8000, 0xFFFF]], np.uint16)
    save(tmp_path / "a" / "sixteen.png", Image.fromarray(grey16))
    save(tmp_path / "a" / "sixteen.tif", Image.fromarray(grey16))
    save(tmp_path / "a" / "bits.png", Image.fromarray(np.array([[0, 1, 0]], bool)))
    save(tmp_path / "a" / "palette.png", picture(8, 8).quantize(8))
    save(tmp_path / "a" / "cmyk.tif", Image.new("CMYK", (2, 2), (0, 255, 255, 0)))
    frames = [Image.new("P", (3, 3), 0), Image.new("P", (3, 3), 1)]
    for frame in frames:
        frame.putpalette([*RED, *WHITE])
    save(tmp_path / "a" / "moving.gif", frames[0], save_all=True, append_images=frames[1:])

    df = sparktf.images.read_folder(spark, str(tmp_path), None, "RGB").persist()
    rows = by_name(df)
    for name in ("sixteen.png", "sixteen.tif"):
        assert pixels_of(rows[name])[0, :, 0].tolist() == [0, 0, 1, 0x80, 0xFF]
    assert pixels_of(rows["bits.png"])[0, :, 0].tolist() == [0, 255, 0]
    expected = picture(8, 8).quantize(8).convert("RGB")
    assert rows["palette.png"].image == expected.tobytes()
    assert pixels_of(rows["cmyk.tif"]).tolist() == [[[*RED]] * 2] * 2
    assert pixels_of(rows["moving.gif"]).tolist() == [[[*RED]] * 3] * 3  # the first frame


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_large_jpegs_look_the_same_as_decoded_in_full(mode):
    file = io.BytesIO()
    picture(1600, 1203).save(file, "JPEG", quality=92)
    decoded = decoding.decode_image(file.getvalue(), (50, 64), mode, "bilinear")
    full = Image.open(file).convert(mode).resize((64, 50), Image.Resampling.BILINEAR)
    assert decoded.size == (64, 50)
    assert abs(np.asarray(decoded).astype(int) - np.asarray(full)).max() <= 6


@pytest.fixture
def damaged(tmp_path) -> Path:
    save(tmp_path / "cat" / "good.png", picture(9, 9))
    whole = save(tmp_path / "cat" / "cut.png", picture(60, 60)).read_bytes()
    (tmp_path / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "dog 1").mkdir()
    (tmp_path / "dog 1" / "text.png").write_text("no image")
    (tmp_path / "dog 1" / "empty.jpg").touch()
    save(tmp_path / "dog 1" / "floats.tif", Image.fromarray(np.ones((2, 2), np.float32)))
    return tmp_path


def test_a_damaged_image_fails_the_query_by_its_name(spark, tmp_path):
    save(tmp_path / "cat" / "good.png")
    (tmp_path / "cat" / "bad one.png").write_text("no image")
    df = sparktf.images.read_folder(spark, str(tmp_path))
    with pytest.raises(Exception, match=f"cannot decode file:{tmp_path}/cat/bad one.png: "):
        df.collect()


def test_damaged_images_can_be_dropped(spark, damaged):
    df = sparktf.images.read_folder(spark, str(damaged), on_error="drop")
    assert df.dtypes == COLUMNS
    assert set(by_name(df)) == {"good.png"}


def test_damaged_images_can_be_null_with_the_reason(spark, damaged):
    df = sparktf.images.read_folder(spark, str(damaged), on_error="null")
    assert df.dtypes == [*COLUMNS, ("error", "string")]
    rows = by_name(df)
    good = rows.pop("good.png")
    assert good.error is None
    assert len(good.image) == 28 * 28
    assert set(rows) == {"cut.png", "text.png", "floats.tif"}  # Spark skips empty files
    for row in rows.values():
        assert (row.image, row.height, row.width, row.channels) == (None, None, None, None)
        assert row.label == (0 if row.label_name == "cat" else 1)
    assert "truncated" in rows["cut.png"].error
    size = (damaged / rows["text.png"].label_name / "text.png").stat().st_size
    assert rows["text.png"].error == (
        f"UnidentifiedImageError: none of the formats that Pillow knows, in {size} bytes"
    )
    assert "pixels of mode F have no known range" in rows["floats.tif"].error


@pytest.mark.parametrize("on_error", ["fail", "drop", "null"])
def test_what_no_image_is_to_blame_for_is_an_error(monkeypatch, on_error):
    file = io.BytesIO()
    picture(4, 4).save(file, "PNG")
    batch = pa.record_batch({"path": ["file:/x/cat/1.png"], "content": [file.getvalue()]})
    decode = decoding.decoder({"file:/x/cat": (0, "cat")}, None, "L", "nearest", on_error)

    def decoded():
        return list(decode(iter([batch])))

    assert decoded()[0].num_rows == 1
    with monkeypatch.context() as patch:
        patch.delattr(Image.core, "zip_decoder")  # as a Pillow that was built without it
        with pytest.raises(
            RuntimeError, match=r"cat/1\.png was not decoded, and the file is not to"
        ):
            decoded()
    with monkeypatch.context() as patch:

        def no_memory(*_):
            raise MemoryError

        patch.setattr(Image.core, "new", no_memory)
        with pytest.raises(RuntimeError, match=r"cat/1\.png was not decoded, .*: MemoryError"):
            decoded()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "PIL", None)  # as where it is not installed
        with pytest.raises(
            RuntimeError,
            match=r"cannot import what sparktf needs to decode images .* PYSPARK_PYTHON",
        ):
            decoded()


def test_folders_without_classes_are_refused_at_once(spark, tmp_path):
    (tmp_path / "empty").mkdir()
    save(tmp_path / "flat" / "1.png")
    save(tmp_path / "deep" / "train" / "cat" / "1.png")
    for name in ("empty", "flat", "deep"):
        with pytest.raises(
            ValueError, match=f"no images in class folders below '{tmp_path}/{name}'"
        ):
            sparktf.images.read_folder(spark, str(tmp_path / name))
    with pytest.raises(AnalysisException, match="PATH_NOT_FOUND"):
        sparktf.images.read_folder(spark, str(tmp_path / "absent"))
    with pytest.raises(ValueError, match="has no folder name in it"):
        sparktf.images.read_folder(spark, ".")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": (28,)}, r"size is \(height, width\) in whole pixels or None, not \(28,\)"),
        ({"size": (0, 28)}, "size is"),
        ({"size": (28.0, 28)}, "size is"),
        ({"size": 28}, "size is"),
        ({"mode": "rgb"}, "mode is one of 'L', 'RGB', not 'rgb'"),
        ({"resample": "box"}, "resample is one of 'nearest', .*, not 'box'"),
        ({"on_error": "skip"}, "on_error is one of 'fail', 'drop', 'null', not 'skip'"),
    ],
)
def test_arguments_that_cannot_work_are_refused(spark, tmp_path, arguments, message):
    save(tmp_path / "cat" / "1.png")
    with pytest.raises(ValueError, match=message):
        sparktf.images.read_folder(spark, str(tmp_path), **arguments)


def test_output_batches_are_bounded_by_bytes_not_by_rows():
    file = io.BytesIO()
    picture(4, 4).save(file, "PNG")
    count, size = 40, (1024, 1024)
    batch = pa.record_batch(
        {
            "path": [f"file:/x/cat/{n}.png" for n in range(count)],
            "content": [file.getvalue()] * count,
        }
    )
    decode = decoding.decoder({"file:/x/cat": (0, "cat")}, size, "L", "nearest", "fail")
    rows = 0
    for output in decode(iter([batch])):
        assert output.nbytes <= 20 << 20
        assert output["path"].to_pylist() == [
            f"file:/x/cat/{rows + n}.png" for n in range(len(output))
        ]
        rows += len(output)
    assert rows == count


def test_features_are_the_pixels_as_scaled_floats(spark):
    df = spark.createDataFrame(
        [(bytes(range(256)), 1), (b"", 2), (None, 3)], "image binary, number int"
    )
    features = sparktf.images.to_features(df)
    assert features.dtypes == [("image", "binary"), ("number", "int"), ("pixels", "array<float>")]
    pixels = {row.number: row.pixels for row in features.collect()}
    expected = np.arange(256, dtype=np.float32) * np.float32(1 / 255)
    assert np.array_equal(np.array(pixels[1], np.float32), expected)
    assert pixels[1][255] == 1.0
    assert pixels[2] == []
    assert pixels[3] is None


def test_features_have_the_scale_and_the_columns_asked_for(spark):
    df = spark.createDataFrame([(b"\x00\x07\xff",)], "`my.image` binary")
    features = sparktf.images.to_features(df, scale=1, input_col="my.image", output_col="x")
    assert features.columns == ["my.image", "x"]
    assert features.first().x == [0.0, 7.0, 255.0]


def test_features_of_what_is_not_pixels_are_refused(spark):
    df = spark.createDataFrame([("a", 1)], "image string, label int")
    with pytest.raises(TypeError, match="column 'image' is string; pixels are binary"):
        sparktf.images.to_features(df)
    with pytest.raises(ValueError, match="no column 'pixels' among 'image', 'label'"):
        sparktf.images.to_features(df, input_col="pixels")


def test_folder_to_features_keeps_every_pixel(spark, tmp_path):
    for number in range(20):
        save(tmp_path / f"class{number % 3}" / f"{number}.png", picture(31, 17, seed=number))
    df = sparktf.images.read_folder(spark, str(tmp_path), (5, 6), "RGB")
    rows = sparktf.images.to_features(df, scale=0.5).collect()
    assert len(rows) == 20
    for row in rows:
        assert row.pixels == (pixels_of(row).ravel() * 0.5).tolist()


CONNECT = """
import sys
from pyspark.sql import SparkSession
import sparktf
spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
df = sparktf.images.to_features(sparktf.images.read_folder(spark, sys.argv[2], (2, 3)), scale=1.0)
for row in df.orderBy("path").collect():
    print(type(df).__module__, row.label, row.label_name, list(row.image), row.pixels)
"""


def test_spark_connect_works_alike(tmp_path, connect_server):
    save(tmp_path / "cat" / "1.png", Image.new("L", (5, 5), 7))
    save(tmp_path / "dög" / "1.png", Image.new("L", (5, 5), 9))
    # In a process of its own, for one that has a classic session too has its functions.
    command = [sys.executable, "-c", CONNECT, connect_server, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-4000:]
    module = "pyspark.sql.connect.dataframe"
    assert run.stdout.splitlines() == [
        f"{module} 0 cat {[7] * 6} {[7.0] * 6}",
        f"{module} 1 dög {[9] * 6} {[9.0] * 6}",
    ]
