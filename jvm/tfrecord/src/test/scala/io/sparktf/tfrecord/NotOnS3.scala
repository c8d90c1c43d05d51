package io.sparktf.tfrecord

import org.scalatest.Tag

/**
 * On a test of what no store of the S3 kind does: setting a file's time of modification, and the
 * dynamic overwrite of partitions, which S3A's committers refuse.
 */
object NotOnS3 extends Tag("io.sparktf.tfrecord.NotOnS3")
