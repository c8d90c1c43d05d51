package io.sparktf.tfrecord

import org.scalatest.Tag

/** [[LocalOnly]] for one test of a suite: of thousands of files, one for each byte, for example. */
object LocalOnlyTest extends Tag(classOf[LocalOnly].getName)
