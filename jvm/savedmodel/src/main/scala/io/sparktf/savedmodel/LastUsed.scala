package io.sparktf.savedmodel

import scala.collection.mutable

/** Keeps the last few values that were used from being garbage. */
final private[savedmodel] class LastUsed[K, V] {
  private val kept = mutable.LinkedHashMap.empty[K, V]

  def use(key: K, value: V): Unit = synchronized {
    kept.remove(key)
    kept.put(key, value)
    while (kept.size > LastUsed.Most) kept.remove(kept.head._1)
  }

  def removeIf(isOld: K => Boolean): Unit =
    synchronized(kept.keys.filter(isOld).toList.foreach(kept.remove))

  def clear(): Unit = synchronized(kept.clear())
}

private object LastUsed {
  val Most = 8
}
