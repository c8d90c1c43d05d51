package io.sparktf.tfrecord

import org.scalatest.Tag

/** [[FormatOnly]] for one test of a suite. */
object FormatOnlyTest extends Tag(classOf[FormatOnly].getName)
