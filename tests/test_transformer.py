"""`SavedModelTransformer`: alone, in a Pipeline, saved and loaded with its model."""

import shutil

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
    loaded = PipelineModel.load(saved)
    assert scores(loaded.transform(points)) == EXPECTED
    stage = loaded.stages[1]
    assert stage.getOrDefault("outputs") == {"score": "output_0"}
    assert stage.getOrDefault("modelPath").startswith(f"file:{saved}/")
    # and what was loaded is saved again
    loaded.save(str(tmp_path / "again"))
    shutil.rmtree(saved)
    assert scores(PipelineModel.load(str(tmp_path / "again")).transform(points)) == EXPECTED


def test_several_outputs_become_columns(spark, models):
    df = spark.createDataFrame([([1.0, 2.0, 3.0], 10.0)], "`my a` array<float>, b float")
    scorer = sparktf.SavedModelTransformer(
        modelPath=models.pairs,
        inputs={"a": "my a", "b": "b"},
        outputs={"t": "total", "the scaled": "scaled"},
    )
    found = scorer.transform(df)
    assert found.columns == ["my a", "b", "t", "the scaled"]
    assert tuple(found.first())[2:] == ([16.0], [10.0, 20.0, 30.0])


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
