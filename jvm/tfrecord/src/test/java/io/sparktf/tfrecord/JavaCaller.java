package io.sparktf.tfrecord;

import static org.apache.spark.sql.functions.avg;
import static org.apache.spark.sql.functions.col;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.api.java.function.FilterFunction;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.api.java.function.VoidFunction2;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.Trigger;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** The data source as a program in Java uses it. */
public final class JavaCaller {

  private static final String SOURCE = System.getProperty("sparktf.test.source", "tfrecord");

  private JavaCaller() {}

  /** A record as a bean, which names its columns {@code label}, {@code name} and {@code pixels}. */
  public static final class Digit implements Serializable {
    private long label;
    private String name;
    private float[] pixels;

    public Digit() {}

    public Digit(long label, String name, float... pixels) {
      this.label = label;
      this.name = name;
      this.pixels = pixels;
    }

    public long getLabel() {
      return label;
    }

    public void setLabel(long label) {
      this.label = label;
    }

    public String getName() {
      return name;
    }

    public void setName(String name) {
      this.name = name;
    }

    public float[] getPixels() {
      return pixels;
    }

    public void setPixels(float[] pixels) {
      this.pixels = pixels;
    }
  }

  /** Writes beans to {@code path}, each label in a folder of its own. */
  public static void write(SparkSession spark, String path, Digit... digits) {
    spark
        .createDataset(Arrays.asList(digits), Encoders.bean(Digit.class))
        .coalesce(1)
        .write()
        .format(SOURCE)
        .mode(SaveMode.Append)
        .option("compression", "gzip")
        .partitionBy("label")
        .save(path);
  }

  /** Reads them back as beans: those with a name, in order of their labels. */
  public static List<Digit> read(SparkSession spark, String path) {
    FilterFunction<Digit> named = digit -> digit.getName() != null;
    return spark
        .read()
        .format(SOURCE)
        .schema("name STRING, pixels ARRAY<FLOAT>, label BIGINT")
        .load(path)
        .as(Encoders.bean(Digit.class))
        .filter(named)
        .orderBy("label")
        .collectAsList();
  }

  /** The mean number of pixels, by the schema that is inferred. */
  public static double meanSize(SparkSession spark, String path) {
    MapFunction<Row, Integer> size = row -> row.getList(row.fieldIndex("pixels")).size();
    return spark
        .read()
        .format(SOURCE)
        .options(Collections.singletonMap("samplingRatio", "1.0"))
        .load(path)
        .map(size, Encoders.INT())
        .agg(avg(col("value")))
        .head()
        .getDouble(0);
  }

  /** Rows of a schema built by hand, through a table of SQL and back. */
  public static List<Row> throughTable(SparkSession spark, String table, byte[]... payloads) {
    StructType schema =
        new StructType()
            .add("payload", DataTypes.BinaryType)
            .add("sizes", DataTypes.createArrayType(DataTypes.IntegerType));
    List<Row> rows = new ArrayList<>();
    for (byte[] payload : payloads) {
      rows.add(RowFactory.create(payload, Collections.singletonList(payload.length)));
    }
    spark.createDataFrame(rows, schema).write().format(SOURCE).saveAsTable(table);
    return spark.sql("SELECT payload, sizes[0] FROM " + table + " ORDER BY 2").collectAsList();
  }

  /** The records that a stream over {@code path} has, counted by batches. */
  public static long countStream(
      SparkSession spark, String path, String checkpoint, Map<String, String> options)
      throws Exception {
    AtomicLong count = new AtomicLong();
    VoidFunction2<Dataset<Row>, Long> add = (rows, batch) -> count.addAndGet(rows.count());
    StreamingQuery query =
        spark
            .readStream()
            .format(SOURCE)
            .schema("name STRING, label BIGINT")
            .options(options)
            .load(path)
            .writeStream()
            .trigger(Trigger.AvailableNow())
            .option("checkpointLocation", checkpoint)
            .foreachBatch(add)
            .start();
    query.awaitTermination();
    return count.get();
  }
}
