package io.sparktf.tfrecord

import java.nio.file.Files
import java.nio.file.attribute.PosixFilePermissions

import org.apache.hadoop.fs.{LocalFileSystem, Path, RawLocalFileSystem}
import org.apache.hadoop.fs.permission.FsPermission

/**
 * Hadoop's local file system. Without Hadoop's native library that starts the program `chmod` for
 * each file and folder that it makes, a hundred times a second in these tests.
 */
final class LocalFiles extends LocalFileSystem(new RawLocalFileSystem {
    override def setPermission(path: Path, permission: FsPermission): Unit = {
      val actions =
        Seq(permission.getUserAction, permission.getGroupAction, permission.getOtherAction)
      Files.setPosixFilePermissions(
        pathToFile(path).toPath,
        PosixFilePermissions.fromString(actions.map(_.SYMBOL).mkString)
      )
    }
  })
