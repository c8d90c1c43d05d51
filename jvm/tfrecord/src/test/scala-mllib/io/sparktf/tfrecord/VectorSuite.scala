package io.sparktf.tfrecord

import java.io.File

import org.apache.spark.ml.functions.vector_to_array
import org.apache.spark.ml.linalg.{DenseVector, SQLDataTypes, Vector, Vectors}
import org.apache.spark.sql.Row
import org.apache.spark.sql.types.{ArrayType, LongType, StructType}

import Records._

/** spark.ml's vectors: a float_list in the file, dense or sparse when written, dense when read. */
class VectorSuite extends TFRecordSuite {

  private val schema = new StructType().add("id", LongType).add("v", SQLDataTypes.VectorType)

  private def vectors(rows: Seq[Row]): Seq[Vector] = rows.map(_.getAs[Vector](1))

  test("dense and sparse vectors are written as all of their values") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      val rows = Seq(
        Row(0L, Vectors.dense(1.5, -2.0, 0.0)),
        Row(1L, Vectors.sparse(5, Array(1, 4), Array(2.5, -1.0))),
        Row(2L, Vectors.sparse(3, Array.empty[Int], Array.empty[Double])),
        Row(3L, null),
        Row(4L, Vectors.dense(Array.empty[Double])),
        Row(5L, Vectors.sparse(1000, Array(999), Array(0.1)))
      )
      write(frame(schema, rows: _*), out)
      assert(readExamples(out) == Vector(
        example("id" -> int64s(0), "v" -> floats(1.5f, -2f, 0f)),
        example("id" -> int64s(1), "v" -> floats(0f, 2.5f, 0f, 0f, -1f)),
        example("id" -> int64s(2), "v" -> floats(0f, 0f, 0f)),
        example("id" -> int64s(3)),
        example("id" -> int64s(4), "v" -> floats()),
        example("id" -> int64s(5), "v" -> floats(Seq.fill(999)(0f) :+ 0.1f: _*))
      ))
      val found = vectors(read(out, schema).orderBy("id").collect().toSeq)
      assert(found == Seq(
        Vectors.dense(1.5, -2.0, 0.0),
        Vectors.dense(0, 2.5, 0, 0, -1),
        Vectors.dense(0, 0, 0),
        null,
        Vectors.dense(Array.empty[Double]),
        Vectors.dense(Array.fill(999)(0.0) :+ 0.1f.toDouble)
      ))
      assert(found.forall(vector => vector == null || vector.isInstanceOf[DenseVector]))
    }
  }

  test("features that protobuf wrote, and the vectors used by spark.ml's own functions") {
    withTempDir { folder =>
      writeExamples(
        new File(folder, "data.tfrecord"),
        example("v" -> floats(1, 2), "id" -> int64s(1)),
        example("v" -> noKind),
        example("v" -> floats(), "id" -> int64s(3)),
        example("v" -> floats(4))
      )
      val found = read(folder, schema)
      assert(vectors(found.collect().toSeq) == Seq(
        Vectors.dense(1, 2),
        null,
        Vectors.dense(Array.empty[Double]),
        Vectors.dense(4)
      ))
      val arrays = found.where("v IS NOT NULL")
        .select(vector_to_array(found("v")))
      assertRows(arrays, Row(Seq(1.0, 2.0)), Row(Seq.empty), Row(Seq(4.0)))
    }
  }

  test("a vector with a value beyond 32 bits is an error that names the column") {
    withTempDir { folder =>
      for (
        (vector, name) <- Seq(
          Vectors.dense(1, 1e39) -> "dense",
          Vectors.sparse(9, Array(3), Array(-1e300)) -> "sparse"
        )
      ) {
        val rows = frame(new StructType().add("weights", SQLDataTypes.VectorType), Row(vector))
        assertFails("weights")(write(rows, new File(folder, name)))
      }
    }
  }

  test("a vector column that meets integers is an error that names it") {
    withTempDir { folder =>
      writeExamples(new File(folder, "data.tfrecord"), example("v" -> int64s(1)))
      assertFails("data.tfrecord", "v", "float", "int64")(read(folder, schema).collect())
    }
  }

  test("matrices are refused, and so are arrays of vectors") {
    withTempDir { folder =>
      val out = new File(folder, "out")
      for (refused <- Seq(SQLDataTypes.MatrixType, ArrayType(SQLDataTypes.VectorType))) {
        assertFails("extras")(write(frame(new StructType().add("extras", refused)), out))
        assert(!Store.exists(out))
      }
    }
  }
}
