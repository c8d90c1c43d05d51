package io.sparktf.savedmodel

import java.io.IOException
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Path}

/**
 * The signatures in a `saved_model.pb`, read from its wire bytes. The generated classes of
 * TensorFlow's messages would need a protobuf-java of their own version, and Spark's class path,
 * which comes before that of `--packages`, may hold another.
 *
 * Field numbers are those of TensorFlow's `saved_model.proto`, `meta_graph.proto` and
 * `tensor_shape.proto`.
 */
private[savedmodel] object SavedModelFile {

  /** TensorFlow adds this one to every model, to be run when it is loaded. */
  private val InitSignature = "__saved_model_init_op"

  /**
   * The signature of that name in the graph that has exactly these tags.
   *
   * @throws IllegalArgumentException if there is no SavedModel in the folder, or it has no such
   *   graph or signature; the message lists those that it has
   */
  def signature(folder: Path, shown: String, name: String, tags: Seq[String]): Signature = {
    val graphs = read(folder, shown)
    val signatures = graphs.collectFirst { case (t, s) if t == tags.toSet => s }.getOrElse {
      val there = graphs.map(_._1.toSeq.sorted.mkString("'", "', '", "'")).mkString("; ")
      throw new IllegalArgumentException(
        s"$shown has no graph with the tags ${tags.mkString("'", "', '", "'")}; it has: $there"
      )
    }
    val found = signatures.find(_.name == name).getOrElse {
      val there = signatures.map(_.name).filterNot(_ == InitSignature).sorted
      val what =
        if (there.nonEmpty) s"it has: ${there.mkString("'", "', '", "'")}"
        else "it has none. Save it with model.export(path) in Keras, or with " +
          "tf.saved_model.save(module, path, signatures=…)"
      throw new IllegalArgumentException(s"$shown has no signature '$name'; $what")
    }
    try found.requireColumns()
    catch {
      case e: IllegalArgumentException =>
        throw new IllegalArgumentException(s"$shown: ${e.getMessage}")
    }
    found
  }

  private def read(folder: Path, shown: String): Seq[(Set[String], Seq[Signature])] = {
    val file = folder.resolve("saved_model.pb")
    val graphs =
      try {
        val message = new Message(Files.readAllBytes(file))
        message.all(2).map(metaGraph)
      } catch {
        case e @ (_: IOException | _: IndexOutOfBoundsException) =>
          throw new IllegalArgumentException(
            s"$shown: saved_model.pb is damaged or no SavedModel: ${e.getMessage}",
            e
          )
      }
    if (graphs.isEmpty) {
      throw new IllegalArgumentException(
        s"$shown: saved_model.pb is damaged or no SavedModel: it holds no graph"
      )
    }
    graphs
  }

  private def metaGraph(message: Message): (Set[String], Seq[Signature]) = {
    val tags = message.all(1).flatMap(_.texts(4)).toSet
    val signatures = message.all(5).map { entry =>
      val (name, value) = keyAndValue(entry)
      new Signature(name, tensors(value.all(1)), tensors(value.all(2)))
    }
    (tags, signatures)
  }

  private def tensors(entries: Seq[Message]): Seq[TensorSpec] =
    entries.map { entry =>
      val (name, info) = keyAndValue(entry)
      val kind =
        if (info.all(4).nonEmpty) "sparse tensor"
        else if (info.all(5).nonEmpty) "ragged or other composite tensor"
        else "tensor"
      val shape = info.all(3).lastOption match {
        case None => Some(Seq.empty)
        case Some(message) if message.number(3, 0) != 0 => None
        case Some(message) => Some(message.all(2).map(_.number(1, 0)))
      }
      val tensor = info.texts(1).lastOption.getOrElse("")
      new TensorSpec(name, info.number(2, 0).toInt, shape, tensor, kind)
    }.sortBy(_.name)

  private def keyAndValue(entry: Message): (String, Message) = (
    entry.texts(1).lastOption.getOrElse(""),
    entry.all(2).lastOption.getOrElse(new Message(Array.emptyByteArray))
  )

  /** A protobuf message: its fields are found again at each question, as few are asked. */
  final private class Message(bytes: Array[Byte], start: Int, end: Int) {
    def this(bytes: Array[Byte]) = this(bytes, 0, bytes.length)

    private var position = start

    /** The messages in the fields of this number. */
    def all(field: Int): Seq[Message] = {
      val found = Seq.newBuilder[Message]
      each { (number, wire, _, from, to) =>
        if (number == field && wire == 2) found += new Message(bytes, from, to)
      }
      found.result()
    }

    def texts(field: Int): Seq[String] = all(field).map(_.text)

    /** The varint in the last field of this number. */
    def number(field: Int, default: Long): Long = {
      var found = default
      each { (number, wire, value, _, _) => if (number == field && wire == 0) found = value }
      found
    }

    private def text: String = new String(bytes, start, end - start, UTF_8)

    private def each(field: (Int, Int, Long, Int, Int) => Unit): Unit = {
      position = start
      while (position < end) {
        val key = varint()
        val wire = (key & 7).toInt
        val value = if (wire == 0 || wire == 2) varint() else 0L
        val length = wire match {
          case 0 => 0L
          case 1 => 8L
          case 2 => value
          case 5 => 4L
          case _ => throw new IOException(s"wire type $wire at byte $position")
        }
        if (length < 0 || length > end - position) throw new IOException("it ends inside a field")
        field((key >>> 3).toInt, wire, value, position, position + length.toInt)
        position += length.toInt
      }
    }

    private def varint(): Long = {
      var value = 0L
      var shift = 0
      while (true) {
        if (position >= end) throw new IOException("it ends inside a number")
        if (shift > 63) throw new IOException(s"a number of more than 64 bits at byte $position")
        val byte = bytes(position)
        position += 1
        value |= (byte & 0x7fL) << shift
        if (byte >= 0) return value
        shift += 7
      }
      value
    }
  }
}
