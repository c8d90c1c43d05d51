package io.sparktf.savedmodel

import org.apache.spark.sql.Row
import org.apache.spark.sql.types.StructType

class PredictSuite extends ScoringSuite {
  private val rows = Models.rows("rows")

  test("rows of floats on the driver") {
    assertClose(linear.predict(rows).flatten, Models.floats("linear"))
    assert(linear.predict(Array.empty[Array[Float]]).isEmpty)
  }

  test("a CNN") {
    val cnn = SavedModel.load(Models.path("cnn"))
    assertClose(cnn.predict(Models.rows("pixels")).flatten, Models.rows("cnn").flatten)
  }

  test("arrays and sequences of other numbers") {
    val expected = Models.floats("linear")
    assertClose(linear.predictAs[Array[Float]](rows.map(_.map(_.toDouble))).flatten, expected)
    assertClose(linear.predictAs[Array[Float]](rows.map(_.map(_.toInt).toSeq)).flatten, expected)
    assertClose(linear.predictAs[Array[Float]](rows.map(_.map(_.toLong))).flatten, expected)
  }

  private def echo(signature: String, row: Any): Any =
    SavedModel.load(Models.path("echo"), signature).predictAs[AnyRef](Array(row)).head

  private def assertEcho(dtype: String, scalars: Seq[Any], arrays: Seq[Any]): Unit =
    test(s"$dtype goes in and comes out as it is") {
      scalars.foreach(value => assert(echo(s"${dtype}_scalar", value) == value))
      arrays.foreach { value =>
        val found = echo(dtype, value)
        assert(found.getClass == value.getClass)
        assert(found.asInstanceOf[Array[_]].toSeq == value.asInstanceOf[Array[_]].toSeq)
      }
      assertTable(s"${dtype}_scalar", scalars)
      if (arrays.nonEmpty) assertTable(dtype, arrays.map(_.asInstanceOf[Array[_]].toSeq))
    }

  /** The same as a column, with nulls among the values, beside other columns and alone. */
  private def assertTable(signature: String, values: Seq[Any]): Unit = {
    val model = SavedModel.load(Models.path("echo"), signature)
    val (input, output) = (model.inputs.head, model.outputs.head)
    val given = Seq.fill(40)(values :+ null).flatten
    val rows = given.zipWithIndex.map { case (value, i) => Row(i, value, "k" * (i * 1009 % 5000)) }
    val schema = StructType.fromDDL(s"i INT, x ${output.dataType.sql}, k STRING")
    val df = spark.createDataFrame(java.util.Arrays.asList(rows: _*), schema)
    for (batchSize <- Seq(0, 7)) {
      val scored = model.transform(df, Map(input.name -> "x"), Map("y" -> output.name), batchSize)
      assert(scored.select("i", "y", "k").orderBy("i").collect().toSeq == rows)
      assert(scored.select("k", "y").coalesce(1).collect().map(_.getString(0).length).toSeq ==
        rows.map(_.getString(2).length))
      assert(scored.coalesce(1).select("y").collect().map(_.get(0)).toSeq == given)
    }
  }

  assertEcho("float32", Seq(1.5f, Float.MinValue), Seq(Array(1.5f, -0.0f, Float.MaxValue)))
  assertEcho("float64", Seq(math.Pi, -1e300), Seq(Array(math.Pi, Double.MinPositiveValue)))
  assertEcho("float16", Seq(0.5f, 65504f, 5.9604645e-8f), Seq(Array(-1.5f, 2048f)))
  assertEcho("bfloat16", Seq(0.5f, -3.3895314e38f), Seq(Array(1f, -2.5f)))
  assertEcho("int8", Seq(Byte.MinValue, Byte.MaxValue), Nil)
  assertEcho("int16", Seq(Short.MinValue), Seq(Array[Short](1, Short.MaxValue)))
  assertEcho("int32", Seq(Int.MinValue), Seq(Array(1, Int.MaxValue)))
  assertEcho("int64", Seq(Long.MinValue), Seq(Array(1L, Long.MaxValue)))
  assertEcho("uint8", Seq(0.toShort, 255.toShort), Seq(Array[Short](0, 255)))
  assertEcho("uint16", Seq(65535), Seq(Array(0, 65535)))
  assertEcho("uint32", Seq(4294967295L), Seq(Array(0L, 4294967295L)))
  assertEcho("bool", Seq(true, false), Seq(Array(true, false, true)))
  assertEcho("string", Seq("", "grüße", "x" * 1000), Seq(Array("a", "", "b" * 100)))

  test("uint64 beyond a long") {
    val largest = new java.math.BigDecimal("18446744073709551615")
    val model = SavedModel.load(Models.path("echo"), "uint64_scalar")
    val df = column("18446744073709551615BD", "x").selectExpr("cast(x as decimal(20,0)) x")
    assert(model.transform(df).head().getDecimal(1) == largest)
    assert(echo("uint64_scalar", 7L) == new java.math.BigDecimal(7))
  }

  test("half floats are rounded as TensorFlow does") {
    assert(echo("float16_scalar", 2049f) == 2048f) // ties to even
    assert(echo("float16_scalar", Float.PositiveInfinity) == Float.PositiveInfinity)
    assert(echo("float16_scalar", 1e-10f) == 0f)
    assert(echo("bfloat16_scalar", 1.00390625f) == 1f)
    assert(echo("bfloat16_scalar", Float.NaN).asInstanceOf[Float].isNaN)
    assert(echo("float16_scalar", Float.NaN).asInstanceOf[Float].isNaN)
  }

  test("whole numbers are rounded once, as TensorFlow does") {
    val large = (1L << 60) + (1L << 36) + 1 // as a double, it is in the middle of two floats
    assert(echo("float32_scalar", large) == large.toFloat)
    assert(large.toDouble.toFloat != large.toFloat)
  }

  test("decimals, and numbers for halves, are rounded once") {
    // A little beside the middle of two numbers, which the type between them takes for the middle.
    val (ulp, little) = (math.pow(2, -23), math.pow(2, -40))
    def decimal(value: Double) = new java.math.BigDecimal(value)
    for (sign <- Seq(1, -1)) {
      val middle = decimal(1 + ulp / 2).add(decimal(little * little / 256))
      val above = middle.multiply(decimal(sign.toDouble)).setScale(37, java.math.RoundingMode.UP)
      val float = sign * (1 + ulp).toFloat
      assert(above.doubleValue.toFloat != float && echo("float32_scalar", above) == float)
      val column_ = column(s"cast('$above' AS DECIMAL(38,37))")
      val model = SavedModel.load(Models.path("echo"), "float32_scalar")
      assert(model.transform(column_).head().getFloat(1) == float)
      for ((dtype, bits) <- Seq("float16_scalar" -> 10, "bfloat16_scalar" -> 7)) {
        val step = math.pow(2, -bits)
        val up = sign * (1 + step).toFloat
        assert(echo(dtype, sign * (1 + step / 2 + little)) == up)
        assert(echo(dtype, sign * (1 + step / 2)) == sign * 1f) // ties to even
        assert(echo(dtype, sign * (1 + step / 2 - little)) == sign * 1f)
        val beside = decimal(1 + step / 2).add(new java.math.BigDecimal("1e-20"))
        assert(echo(dtype, beside.multiply(decimal(sign.toDouble))) == up)
      }
      assert(echo("bfloat16_scalar", sign * ((1L << 62) + (1L << 54) + 1)) ==
        sign * (math.pow(2, 62) + math.pow(2, 55)).toFloat)
      assert(echo("bfloat16_scalar", sign * ((1L << 62) + (1L << 54))) ==
        sign * math.pow(2, 62).toFloat)
      assert(echo("float16_scalar", sign * 65519.999999) == sign * 65504f)
      assert(failure(echo("float16_scalar", sign * 65520.0)).contains("beyond what float16"))
      assert(echo("bfloat16_scalar", sign * 1e-45) == 0f)
    }
    assert(echo("bfloat16_scalar", Long.MaxValue) == math.pow(2, 63).toFloat)
    assert(failure(echo("bfloat16_scalar", 1e39)).contains("is beyond what bfloat16"))
    assert(echo("float32_scalar", new java.math.BigDecimal("1e-37")) == 1e-37f)
  }

  test("numbers that do not fit are errors") {
    assert(failure(echo("int8_scalar", 128)).contains("128 does not fit int8"))
    assert(failure(echo("uint8_scalar", -1)).contains("-1 does not fit uint8"))
    assert(failure(echo("uint32_scalar", 1L << 32)).contains("does not fit uint32"))
    assert(failure(echo("float16_scalar", 70000f)).contains("70000.0 is beyond what float16"))
    assert(failure(echo("bfloat16_scalar", 3.4e38f)).contains("is beyond what bfloat16"))
    assert(failure(echo("float32_scalar", -1e39)).contains("-1.0E39 is beyond what float32"))
    assert(echo("float32_scalar", Double.NegativeInfinity) == Float.NegativeInfinity)
    assert(failure(echo("int32_scalar", 1.5)).contains("it is double, and has to hold whole"))
    assert(failure(echo("bool_scalar", 1)).contains("it is int, and has to hold booleans"))
    assert(failure(echo("string_scalar", 1)).contains("has to hold strings or binaries"))
    assert(failure(echo("float32_scalar", "1")).contains("it is string, and has to hold numbers"))
  }

  test("strings that are no text are errors, by all ways") {
    val bytes = Array(0x61, 0xff, 0x62).map(_.toByte)
    val truncated = "grüße".getBytes("UTF-8").take(3)
    val rdd = spark.sparkContext.parallelize(Seq(bytes), 1)
    val scalar = SavedModel.load(Models.path("ranks"), "string_0")
    val array = SavedModel.load(Models.path("ranks"), "string_2")
    val failures = Seq(
      failure(scalar.predictAs[String](Array(bytes))),
      failure(scalar.predictAs[String](Array(truncated))),
      failure(array.predictAs[Array[Array[String]]](Array(Seq(Seq(bytes))))),
      failure(rdd.mapPartitions(scalar.scorer[Array[Byte], String]()).collect()),
      failure(scalar.transform(column("unhex('61FF62')")).collect()),
      failure(array.transform(column("array(array(unhex('C3')))")).collect())
    )
    failures.foreach { message =>
      assert(message.contains("the model's output y: string[?"))
      assert(message.contains("has bytes that are not UTF-8"))
      assert(message.contains("tf.io.encode_base64"))
    }
    assert(scalar.predictAs[String](Array("grüße\u0000", "\ud83d\ude00")).toSeq ==
      Seq("grüße\u0000", "\ud83d\ude00"))
  }

  test("decimals of the JVM where whole numbers go in") {
    val largest = new java.math.BigDecimal("18446744073709551615")
    assert(echo("uint64_scalar", largest) == largest)
    assert(echo("uint64_scalar", BigDecimal(7)) == new java.math.BigDecimal(7))
    assert(echo("int64_scalar", BigDecimal(-7)) == -7L)
    assert(echo("int8_scalar", new java.math.BigDecimal("7.00")) == 7.toByte)
    assert(echo("uint64", Seq(BigDecimal(7), BigDecimal(8))).asInstanceOf[Array[_]].toSeq ==
      Seq(7, 8).map(new java.math.BigDecimal(_)))
    assert(failure(echo("uint64_scalar", BigDecimal(1.5))).contains("1.5 is no whole number"))
    assert(failure(echo("int32_scalar", BigDecimal(1.5))).contains("1.5 is no whole number"))
    assert(failure(echo("uint64_scalar", BigDecimal(-1))).contains("-1 does not fit uint64"))
    assert(failure(echo("uint64_scalar", BigDecimal(largest) + 1)).contains("does not fit uint64"))
    assert(failure(echo("int8_scalar", BigDecimal(128))).contains("128 does not fit int8"))
    assert(failure(echo("int64_scalar", BigDecimal(1e300))).contains("does not fit"))
    val model = SavedModel.load(Models.path("echo"), "int64_scalar")
    assert(model.transform(column("cast(-7 AS DECIMAL(38,6))")).head().getLong(1) == -7L)
  }

  test("empty sequences beside others, and sequences beside arrays") {
    val model = SavedModel.load(Models.path("ranks"), "float32_1")
    val given = Seq[Any](Nil, Seq(1f, 2f), Nil, Array(3f), Vector.empty[Float])
    val expected = Seq(Nil, Seq(1f, 2f), Nil, Seq(3f), Nil)
    def sequences(scored: Array[Array[Float]]) = scored.toSeq.map(_.toSeq)
    assert(sequences(model.predictAs[Array[Float]](given.toArray)) == expected)
    assert(sequences(model.predictAs[Array[Float]](given.reverse.toArray)) == expected.reverse)
    val nested = SavedModel.load(Models.path("ranks"), "string_2")
    assert(
      nested.predictAs[Array[Array[String]]](Array(Nil, Seq(Nil), Seq(Seq("a"))))
        .toSeq.map(_.toSeq.map(_.toSeq)) == Seq(Nil, Seq(Nil), Seq(Seq("a")))
    )
    val mixed = failure(model.predictAs[Array[Float]](Array(Seq[Any](1, 2.5))))
    assert(mixed.contains("column 'x' for the model's input x: float32[?, ?]"))
    assert(mixed.contains("a row's values are of several types"))
    // Whose bytes are taken as they are.
    for (
      (dtype, row) <- Seq(
        "float32" -> Seq(Array(1f, 2f), Array(3.0, 4.0)),
        "float64" -> Seq(Array(1.0, 2.0), Array(3f, 4f)),
        "float64" -> Seq(null, Seq(1.0, 2.0), Array(3, 4)),
        "int64" -> Seq(Nil, Array(1L, 2L), Array(3, 4)),
        "float32" -> Array[Any](Array(1f, 2f), Array(3L, 4L))
      )
    ) {
      val ranks = SavedModel.load(Models.path("ranks"), s"${dtype}_2")
      val message = failure(ranks.predictAs[Any](Array[Any](row)))
      assert(message.contains("a row's values are of several types (array<"))
    }
    val same = SavedModel.load(Models.path("ranks"), "float32_2")
      .predictAs[Array[Array[Float]]](Array(Seq(Seq(1f, 2f), Array(3f, 4f), Vector(5f, 6f))))
    assert(same.head.map(_.toSeq).toSeq == Seq(Seq(1f, 2f), Seq(3f, 4f), Seq(5f, 6f)))
  }

  test("several inputs and outputs") {
    val model = SavedModel.load(Models.path("several"))
    assert(model.inputs.map(_.name) == Seq("counts", "label", "weight"))
    val row = Map("counts" -> Array(1L, 2L, 3L), "label" -> "n", "weight" -> 0.5f)
    val found = model.predictAs[Map[String, Any]](Array(row, row)).last
    assert(found("total") == 3f)
    assert(found("text") == "n-1")
    assert(found("square").asInstanceOf[Array[Array[Float]]].map(_.toSeq).toSeq ==
      Seq(Seq(3f, 3f), Seq(3f, 3f)))
    val lacking = failure(model.predictAs[Map[String, Any]](Array(row - "label")))
    assert(lacking.contains("no value for the model's input label: string[?]"))
    assert(failure(model.predictAs[Float](Array(row))).contains("gives Map[String, Any] for a row"))
  }

  test("a null row gives null, and an error where a result cannot be null") {
    val model = SavedModel.load(Models.path("ranks"), "float32_0")
    val given = Seq[Any](1f, null, 2f)
    assert(model.predictAs[Any](given.toArray).toSeq == given)
    val rdd = spark.sparkContext.parallelize(given, 1)
    assert(rdd.mapPartitions(model.scorer[Any, Any]()).collect().toSeq == given)
    val errors = Seq(
      failure(model.predictAs[Float](given.toArray)),
      failure(rdd.mapPartitions(model.scorer[Any, Float]()).collect())
    )
    errors.foreach(message => assert(message.contains("a row is null, and so is its result")))
  }

  test("a result of another type than is asked for") {
    val message = failure(linear.predictAs[Float](rows))
    assert(message.contains("output_0: float32[?, 1] gives Array[Float] for a row, not Float"))
  }

  test("encoded images") {
    val model = SavedModel.load(Models.path("images"))
    assert(model.predictAs[Float](Array(Models.bytes("png"))).toSeq == Seq(191.25f))
  }

  test("what TensorFlow finds wrong is an error with its message") {
    val model = SavedModel.load(Models.path("refused"), "fails")
    assert(model.predict(Array(Array(1f, 2f))).length == 1)
    assert(failure(model.predict(Array(Array(1f, 200f)))).contains("x is too large"))
    assert(model.predict(Array(Array(1f, 2f))).length == 1)
    val fewer = SavedModel.load(Models.path("refused"), "fewer")
    assert(failure(fewer.predict(rows)).contains("must have one row for each"))
  }

  test("another signature of the same model") {
    assertClose(linear.withSignature("serve").predict(rows).flatten, Models.floats("linear"))
    assert(failure(linear.withSignature("other")).contains("has no signature 'other'"))
  }
}
