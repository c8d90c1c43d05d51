package io.sparktf.savedmodel

import java.lang.ref.WeakReference
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicLong

/**
 * What a loaded model is known by: its content, not its path, so that a model that was replaced
 * under its path is another one.
 *
 * @param path where the user has it, for messages
 * @param fingerprint of the names and contents of its files
 */
final private[savedmodel] case class ModelKey(
    path: String,
    fingerprint: String,
    tags: Seq[String]
) {
  override def toString: String = path
}

/**
 * The models that this JVM has loaded, each once, for all tasks, jobs and functions.
 *
 * The last few used stay loaded between jobs; of those that came from one path, only the newest.
 * Others stay as long as something refers to them (see [[ModelSession]]).
 */
private[savedmodel] object ModelCache {
  final private class Slot {
    private var loaded: WeakReference[ModelSession] = _

    def get(load: => ModelSession): ModelSession = synchronized {
      val there = if (loaded == null) null else loaded.get
      if (there != null) there
      else {
        val session = load
        loaded = new WeakReference(session)
        session
      }
    }
  }

  private val slots = new ConcurrentHashMap[(String, Seq[String]), Slot]()
  private val kept = new LastUsed[ModelKey, ModelSession]

  /** How many models have been loaded in this JVM. */
  val loads = new AtomicLong()

  /** @param load asked for only if there is none */
  def get(key: ModelKey)(load: => ModelSession): ModelSession = {
    val slot = slots.computeIfAbsent((key.fingerprint, key.tags), _ => new Slot)
    val session = slot.get {
      loads.incrementAndGet()
      load
    }
    kept.removeIf(k => k.path == key.path && k.fingerprint != key.fingerprint)
    kept.use(key, session)
    session
  }

  /** Lets go of all models; those in use stay until they are not. */
  def clear(): Unit = kept.clear()
}
