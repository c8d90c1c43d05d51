package io.sparktf.savedmodel;

import org.apache.spark.rdd.InputFileBlockHolder;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * The part of a file that a thread reads, of which input_file_name() and its like are told. In Java,
 * for Scala's compiler keeps it to Spark's own packages.
 */
final class InputFile {
  private final UTF8String path = InputFileBlockHolder.getInputFilePath();
  private final long start = InputFileBlockHolder.getStartOffset();
  private final long length = InputFileBlockHolder.getLength();

  /** What this thread reads now. */
  InputFile() {}

  /** Whether the thread still reads it: another part has another path, equal or not. */
  boolean isCurrent() {
    return path == InputFileBlockHolder.getInputFilePath();
  }

  void makeCurrent() {
    if (path.numBytes() > 0) {
      InputFileBlockHolder.set(path.toString(), start, length);
    } else if (InputFileBlockHolder.getInputFilePath().numBytes() > 0) {
      InputFileBlockHolder.unset();
    }
  }
}
