package io.sparktf.tfrecord

import java.io.File

import org.scalatest.Assertions.cancel

/** A file system in memory that is soon full. */
final class SmallDisk private (keeper: ChildProcess) {
  def resize(kilobytes: Int): Unit = {
    keeper.tell(s"size=${kilobytes}k")
    keeper.await("^resized$".r)
  }
}

object SmallDisk {

  /** A kilobyte for each row's `id` that no compression makes smaller than half, as a column. */
  val Noise = "array_join(transform(sequence(1, 16), i -> sha2(concat(id, '-', i), 256)), '')"

  // The shell takes the disk away when its standard input ends, be it with this JVM.
  private val script =
    """mount -t tmpfs -o "size=$2" tmpfs "$1" || { echo refused; exit 1; }
      |echo mounted
      |while read -r option; do mount -o "remount,$option" "$1" && echo resized; done
      |umount -l "$1"
      |""".stripMargin

  /** Runs `body` with the disk at `folder`; cancels the test where one may not mount. */
  def withDisk[T](folder: File, kilobytes: Int)(body: SmallDisk => T): T = {
    folder.mkdirs()
    val command = Seq("sh", "-c", script, "sh", folder.getPath, s"${kilobytes}k")
    val keeper = new ChildProcess("small disk", command, folder.getParentFile)
    try {
      if (keeper.await("^(mounted|refused)$".r).group(1) == "refused") {
        cancel("a small disk can be mounted by root only")
      }
      body(new SmallDisk(keeper))
    } finally keeper.endInput()
  }
}
