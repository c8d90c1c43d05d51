"""`SavedModelTransformer`: alone, in a Pipeline, saved and loaded with its model."""

import json
import shutil
from pathlib import Path

import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.linalg import Vectors

import sparktf


@pytest.fixture
def points(spark):
    rows = [(0, 1.0, 2.0), (1, 3.0, 5.0), (2, -1.0, 0.5)]
    return spark.createDataFrame(rows, "i int, x1 double, x2 double").coalesce(1)


EXPECTED = [[-3.5], [-8.5], [-3.0]]


def pipeline(model):
    assembler = VectorAssembler(inputCols=["x1", "x2"], outputCol="v")
    scorer = sparktf.SavedModelTransformer(
        modelPath=model, inputs={"features": "v"}, outputs={"score": "output_0"}
    )
    return Pipeline(stages=[assembler, scorer])


def scores(df):
    return [row.score for row in df.orderBy("i").collect()]


@pytest.mark.oldest_and_newest
def test_in_a_pipeline_after_a_vector_assembler(points, models):
    scored = pipeline(models.linear).fit(points).transform(points)
    assert scored.columns == ["i", "x1", "x2", "v", "score"]
    assert scores(scored) == EXPECTED


@pytest.mark.oldest_and_newest
def test_a_pipeline_is_saved_with_its_model_and_loaded_without_the_original(
    points, models, tmp_path
):
    model = tmp_path / "model"
    shutil.copytree(models.linear, model)
    saved = str(tmp_path / "pipeline")
    pipeline(str(model)).fit(points).write().overwrite().save(saved)
    shutil.rmtree(model)
    (metadata,) = (Path(saved) / "stages").glob("*SavedModelTransformer*/metadata/part-*")
    assert json.loads(metadata.read_text())["class"] == "sparktf.SavedModelTransformer"
    loaded = PipelineModel.load(saved)
    assert scores(loaded.transform(points)) == EXPECTED
    stage = loaded.stages[1]
    assert stage.getOrDefault("outputs") == {"score": "output_0"}
    assert stage.getOrDefault("modelPath").startswith(f"file:{saved}/")
    # and what was loaded is saved again
    loaded.save(str(tmp_path / "again"))
    shutil.rmtree(saved)
    assert scores(PipelineModel.load(str(tmp_path / "again")).transform(points)) == EXPECTED


@pytest.mark.one_spark
def test_what_was_saved_stays_until_another_one_is_whole(points, models, tmp_path):
    df = points.selectExpr("i", "array(x1, x2) AS features")
    path = tmp_path / "100% größe 模型 #1"
    first = sparktf.SavedModelTransformer(modelPath=models.linear, outputs={"score": "output_0"})
    first.save(str(path))
    with pytest.raises(FileNotFoundError, match="no SavedModel at /nowhere"):
        first.copy({first.modelPath: "/nowhere"}).write().overwrite().save(str(path))
    assert scores(sparktf.SavedModelTransformer.load(str(path)).transform(df)) == EXPECTED
    second = first.copy({first.modelPath: models.other_linear})
    second.write().overwrite().save(f"file:{path}")
    loaded = sparktf.SavedModelTransformer.load(str(path))
    assert scores(loaded.transform(df)) == [[-value for value in row] for row in EXPECTED]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter-1").touch()
    with pytest.raises(FileExistsError, match="is no model but a folder with chapter-1, and over"):
        second.write().overwrite().save(str(tmp_path / "thesis"))
    assert (tmp_path / "thesis" / "chapter-1").exists()


def test_several_outputs_become_columns(spark, models):
    # Of the names that stay one is the function's own, and another comes twice.
    df = spark.createDataFrame([([1.0, 2.0, 3.0], 10.0)], "`my a` array<float>, b float")
    df = df.selectExpr("*", "5 AS _SPARKTF_scores", "6 AS same", "7 AS same")
    scorer = sparktf.SavedModelTransformer(
        modelPath=models.pairs,
        inputs={"a": "my a", "b": "b"},
        outputs={"t": "total", "the scaled": "scaled"},
    )
    found = scorer.transform(df)
    kept = ["my a", "b", "_SPARKTF_scores", "same", "same"]
    assert found.columns == [*kept, "t", "the scaled"]
    assert tuple(found.first())[2:] == (5, 6, 7, [16.0], [10.0, 20.0, 30.0])


def test_names_are_the_same_where_the_session_takes_them_for_one(spark, models):
    def scorer(*outputs):
        outputs = dict.fromkeys(outputs, "output_0")
        return sparktf.SavedModelTransformer(modelPath=models.linear, outputs=outputs)

    df = spark.sql("SELECT array(1.0, 2.0) AS FEATURES, 7 AS Y")
    with pytest.raises(ValueError, match=r"has columns \['y'\] already"):
        scorer("y").transform(df)
    with pytest.raises(ValueError, match=r"has columns \['i'\] already"):
        scorer("i").transform(df.selectExpr("*", "1 AS `İ`"))
    with pytest.raises(ValueError, match=r"outputs \['a', 'A'\] have a name twice"):
        scorer("a", "A").transform(df)
    with pytest.raises(ValueError, match="has 2 columns 'features', and which is for"):
        scorer("z").transform(df.selectExpr("*", "FEATURES AS features"))
    assert scorer("z").transform(df).first().z == [-3.5]
    spark.conf.set("spark.sql.caseSensitive", "true")
    try:
        with pytest.raises(ValueError, match="no column 'features' for the model's input"):
            scorer("y").transform(df)
        found = scorer("y").transform(df.selectExpr("FEATURES AS features", "Y")).first()
        assert (found["Y"], found["y"]) == (7, [-3.5])
    finally:
        spark.conf.unset("spark.sql.caseSensitive")


@pytest.mark.one_spark
def test_parameters_set_later_and_by_transform(points, models):
    df = points.selectExpr("i", "array(x1, x2) AS features")
    scorer = sparktf.SavedModelTransformer()
    with pytest.raises(ValueError, match="modelPath is not set"):
        scorer.transform(df)
    scorer.setParams(modelPath=models.linear, outputs={"score": "output_0"}, batchSize=2)
    assert scores(scorer.transform(df)) == EXPECTED
    other = scorer.transform(df, {scorer.modelPath: models.other_linear})
    assert scores(other) == [[-value for value in row] for row in EXPECTED]
    assert "batchSize" in scorer.explainParams()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("'1.5' AS features", "column 'features': its values are string where a number is needed"),
        ("array('a') AS features", "its values are string where a number is needed: cast"),
        ("array(true) AS features", "its values are boolean where a number is needed"),
        ("1.5D AS features", r"a row is one value; array\(…\) makes one column of several; the"),
        ("struct(1.0 AS a) AS features", "its values are struct.* where a number is needed"),
        ("1 AS other", "no column 'features' for the model's input 'features' among 'other': inp"),
        ("array(1.0) AS features, 1 AS output_0", r"has columns \['output_0'\] already: outputs="),
    ],
)
def test_what_does_not_fit_is_an_error_before_a_job(spark, models, column, message):
    scorer = sparktf.SavedModelTransformer(modelPath=models.linear)
    with pytest.raises(ValueError, match=message):
        scorer.transform(spark.sql(f"SELECT {column}"))


def test_vectors_where_whole_numbers_are_needed(spark, models):
    scorer = sparktf.SavedModelTransformer(modelPath=models.signatures, signature="echo3_int32")
    df = spark.createDataFrame([(Vectors.dense([1.0, 2.0, 3.0]),)], ["x"])
    with pytest.raises(ValueError, match="column 'x': its values are double where a whole number"):
        scorer.transform(df)
