package io.sparktf.savedmodel

import org.apache.spark.unsafe.Platform

private[savedmodel] object Bytes {

  /** As `Platform.copyMemory`, whose call costs more than copying a few words. */
  def copy(from: AnyRef, address: Long, to: AnyRef, target: Long, bytes: Int): Unit =
    if (bytes > 64) Platform.copyMemory(from, address, to, target, bytes.toLong)
    else {
      var i = 0
      while (i + 8 <= bytes) {
        Platform.putLong(to, target + i, Platform.getLong(from, address + i))
        i += 8
      }
      if (i + 4 <= bytes) {
        Platform.putInt(to, target + i, Platform.getInt(from, address + i))
        i += 4
      }
      while (i < bytes) {
        Platform.putByte(to, target + i, Platform.getByte(from, address + i))
        i += 1
      }
    }
}
