package io.sparktf.benchmarks

import com.google.protobuf.ByteString
import org.apache.hadoop.io.{BytesWritable, NullWritable}
import org.apache.spark.sql.{DataFrame, Row, SparkSession}
import org.apache.spark.sql.types._
import org.tensorflow.example.{BytesList, Example, Feature, Features, FloatList, Int64List}
import org.tensorflow.hadoop.io.{TFRecordFileInputFormat, TFRecordFileOutputFormat}

/**
 * TFRecord files the way that Spark users read and write them without a data source: TensorFlow's
 * Hadoop formats for the frames, protobuf for the messages, a function per row in between.
 */
object HadoopTFRecord {

  def read(session: SparkSession, path: String, schema: StructType): DataFrame = {
    val rows = session.sparkContext
      .newAPIHadoopFile(
        path,
        classOf[TFRecordFileInputFormat],
        classOf[BytesWritable],
        classOf[NullWritable]
      )
      .map { case (bytes, _) => toRow(Example.parseFrom(bytes.copyBytes()), schema) }
    session.createDataFrame(rows, schema)
  }

  def write(frame: DataFrame, path: String): Unit = {
    val schema = frame.schema
    frame.rdd
      .map(row => (new BytesWritable(toExample(row, schema).toByteArray), NullWritable.get()))
      .saveAsNewAPIHadoopFile(
        path,
        classOf[BytesWritable],
        classOf[NullWritable],
        classOf[TFRecordFileOutputFormat]
      )
  }

  private def toRow(example: Example, schema: StructType): Row = {
    val features = example.getFeatures.getFeatureMap
    val values = new Array[Any](schema.length)
    var i = 0
    while (i < values.length) {
      val feature = features.get(schema(i).name)
      if (feature ne null) values(i) = value(feature, schema(i).dataType)
      i += 1
    }
    Row.fromSeq(values.toSeq)
  }

  private def value(feature: Feature, dataType: DataType): Any = dataType match {
    case LongType => feature.getInt64List.getValue(0)
    case FloatType => feature.getFloatList.getValue(0)
    case StringType => feature.getBytesList.getValue(0).toStringUtf8
    case BinaryType => feature.getBytesList.getValue(0).toByteArray
    case ArrayType(LongType, _) =>
      Array.tabulate(feature.getInt64List.getValueCount)(feature.getInt64List.getValue(_)).toSeq
    case ArrayType(FloatType, _) =>
      Array.tabulate(feature.getFloatList.getValueCount)(feature.getFloatList.getValue(_)).toSeq
  }

  private def toExample(row: Row, schema: StructType): Example = {
    val features = Features.newBuilder()
    var i = 0
    while (i < schema.length) {
      if (!row.isNullAt(i)) features.putFeature(schema(i).name, feature(row, i, schema(i).dataType))
      i += 1
    }
    Example.newBuilder().setFeatures(features).build()
  }

  private def feature(row: Row, i: Int, dataType: DataType): Feature = {
    val feature = Feature.newBuilder()
    dataType match {
      case LongType => feature.setInt64List(Int64List.newBuilder().addValue(row.getLong(i)))
      case FloatType => feature.setFloatList(FloatList.newBuilder().addValue(row.getFloat(i)))
      case StringType => feature.setBytesList(bytes(ByteString.copyFromUtf8(row.getString(i))))
      case BinaryType =>
        feature.setBytesList(bytes(ByteString.copyFrom(row.getAs[Array[Byte]](i))))
      case ArrayType(LongType, _) =>
        val list = Int64List.newBuilder()
        row.getAs[scala.collection.Seq[Long]](i).foreach(list.addValue(_))
        feature.setInt64List(list)
      case ArrayType(FloatType, _) =>
        val list = FloatList.newBuilder()
        row.getAs[scala.collection.Seq[Float]](i).foreach(list.addValue(_))
        feature.setFloatList(list)
    }
    feature.build()
  }

  private def bytes(value: ByteString): BytesList.Builder = BytesList.newBuilder().addValue(value)
}
