package io.sparktf.tfrecord

/**
 * Hadoop's S3A on moto, a server that speaks S3, with the committer that Hadoop and Spark recommend
 * there: "magic", by which a task's files are parts of uploads until its job commits.
 */
final class S3(folder: java.nio.file.Path) extends Surroundings {
  private val server = new ChildProcess(
    "S3",
    Seq(sys.props("sparktf.test.python"), sys.props("sparktf.test.s3.server"), S3.Bucket),
    folder.toFile
  )

  private val endpoint = server.await("S3 is at (http://\\S+)".r).group(1)

  override val settings: Map[String, String] = Map(
    "spark.hadoop.fs.defaultFS" -> s"s3a://${S3.Bucket}",
    "spark.hadoop.fs.s3a.endpoint" -> endpoint,
    "spark.hadoop.fs.s3a.endpoint.region" -> "us-east-1",
    "spark.hadoop.fs.s3a.path.style.access" -> "true",
    "spark.hadoop.fs.s3a.access.key" -> "any",
    "spark.hadoop.fs.s3a.secret.key" -> "any",
    // From https://spark.apache.org/docs/latest/cloud-integration.html
    "spark.hadoop.fs.s3a.committer.name" -> "magic",
    "spark.sql.sources.commitProtocolClass" ->
      "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol",
    "spark.sql.parquet.output.committer.class" ->
      "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter"
  )

  override def close(): Unit = server.close()
}

object S3 {
  private val Bucket = "tests"
}
