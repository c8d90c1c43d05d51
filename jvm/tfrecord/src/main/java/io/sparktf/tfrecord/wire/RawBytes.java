package io.sparktf.tfrecord.wire;

import org.apache.spark.unsafe.Platform;

/**
 * Loads and stores of words in an array of bytes, in the machine's own order: the only ones of this
 * module that Java does not check.
 *
 * <p>Whoever calls them has made sure that the bytes are inside the array. Whether that is true the
 * tests find out by running once with the system property {@code sparktf.tfrecord.checked}: then each
 * load and store is compared with the array's bounds, and every buffer begins with no room, grows by
 * no more than asked, and spoils the array that it leaves behind (see {@link GrowingBuffer}).
 *
 * <p>In Java, for only its static finals are constants to the compiler: unless it is asked for, the
 * check costs nothing.
 */
public final class RawBytes {

  /** Whether accesses are checked and buffers are as small as can be. */
  public static final boolean CHECKED = Boolean.getBoolean("sparktf.tfrecord.checked");

  private RawBytes() {}

  public static long getLong(byte[] bytes, int at) {
    if (CHECKED) check(bytes, at, 8);
    return Platform.getLong(bytes, Platform.BYTE_ARRAY_OFFSET + (long) at);
  }

  public static int getInt(byte[] bytes, int at) {
    if (CHECKED) check(bytes, at, 4);
    return Platform.getInt(bytes, Platform.BYTE_ARRAY_OFFSET + (long) at);
  }

  public static void putLong(byte[] bytes, int at, long value) {
    if (CHECKED) check(bytes, at, 8);
    Platform.putLong(bytes, Platform.BYTE_ARRAY_OFFSET + (long) at, value);
  }

  public static void putDouble(byte[] bytes, int at, double value) {
    if (CHECKED) check(bytes, at, 8);
    Platform.putDouble(bytes, Platform.BYTE_ARRAY_OFFSET + (long) at, value);
  }

  public static void putInt(byte[] bytes, int at, int value) {
    if (CHECKED) check(bytes, at, 4);
    Platform.putInt(bytes, Platform.BYTE_ARRAY_OFFSET + (long) at, value);
  }

  public static void putShort(byte[] bytes, int at, short value) {
    if (CHECKED) check(bytes, at, 2);
    Platform.putShort(bytes, Platform.BYTE_ARRAY_OFFSET + (long) at, value);
  }

  /**
   * Copies bytes of an object of Spark's, which knows them by a base and an offset (a string, a row
   * or an array, on the heap or off it).
   */
  public static void copyFrom(Object base, long offset, byte[] bytes, int at, int count) {
    if (CHECKED) check(bytes, at, count);
    Platform.copyMemory(base, offset, bytes, Platform.BYTE_ARRAY_OFFSET + (long) at, count);
  }

  private static void check(byte[] bytes, int at, int count) {
    if (at < 0 || count < 0 || count > bytes.length - at) {
      throw new IndexOutOfBoundsException(
          count + " bytes at " + at + " of an array of " + bytes.length);
    }
  }
}
