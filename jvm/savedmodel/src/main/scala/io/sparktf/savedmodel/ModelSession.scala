package io.sparktf.savedmodel

import java.lang.ref.{Cleaner, Reference}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.Path

import scala.collection.mutable

import org.bytedeco.javacpp.{BytePointer, PointerPointer}
import org.tensorflow.internal.c_api._
import org.tensorflow.internal.c_api.global.tensorflow._

/**
 * A SavedModel as TensorFlow has loaded it, through TensorFlow's C API. Any number of threads may
 * run it at the same time; each computes in its own thread (one intra-op thread, no inter-op pool),
 * as Spark gives every core a task already.
 *
 * The native session is freed when nothing refers to this object any more.
 */
final private[savedmodel] class ModelSession private (
    private[savedmodel] val graph: TF_Graph,
    private[savedmodel] val session: TF_Session,
    shown: String
) {
  ModelSession.cleaner.register(this, new ModelSession.Freed(graph, session))

  private val checked = mutable.Set.empty[String]

  /**
   * The graph's tensors that these are.
   *
   * @throws IllegalArgumentException if the signature reads variables that loading has not set
   */
  def bind(signature: Signature): Unit = synchronized {
    if (!checked(signature.name)) {
      val unset = new VariableCheck(graph, session).unset(signature.outputs.map(_.tensor))
      if (unset.nonEmpty) throw ModelSession.unsetVariables(shown, unset)
      checked += signature.name
    }
  }

  /** TensorFlow's output for a signature's tensor, in the place `index` of `to`. */
  def tensor(spec: TensorSpec, to: TF_Output, index: Int): Unit =
    GraphTensor.set(graph, spec.tensor, to, index)

  /** Keeps the session alive at least until here. */
  def keepAlive(): Unit = Reference.reachabilityFence(this)
}

private[savedmodel] object ModelSession {
  unlimited()

  /**
   * JavaCPP, which calls TensorFlow, fails where the process has more memory than a limit that it takes
   * from the heap's, as if a model had its place there. It asks for this property when it is first used.
   */
  private def unlimited(): Unit = {
    val names = Seq("maxPhysicalBytes", "maxphysicalbytes").map("org.bytedeco.javacpp." + _)
    if (!names.exists(sys.props.contains)) sys.props(names.head) = "0"
  }

  private val cleaner = Cleaner.create()

  final private class Freed(graph: TF_Graph, session: TF_Session) extends Runnable {
    override def run(): Unit = {
      val status = TF_NewStatus()
      TF_CloseSession(session, status)
      TF_DeleteSession(session, status)
      TF_DeleteGraph(graph)
      TF_DeleteStatus(status)
    }
  }

  /**
   * tensorflow.ConfigProto: intra_op_parallelism_threads (field 2) = 1, inter_op_parallelism_threads
   * (field 5) = -1, which runs a step in the thread that asks for it.
   */
  private val config: Array[Byte] =
    Array[Byte](0x10, 1, 0x28) ++ Array.fill[Byte](9)(-1) ++ Array[Byte](1)

  /** @throws IllegalArgumentException if TensorFlow cannot load it */
  def load(folder: Path, tags: Seq[String], shown: String): ModelSession = {
    val options = TF_NewSessionOptions()
    val status = TF_NewStatus()
    val settings = new BytePointer(config: _*)
    val path = new BytePointer(folder.toString, UTF_8.name)
    val names = tags.map(tag => new BytePointer(tag, UTF_8.name))
    val list = new PointerPointer[BytePointer](names: _*)
    val graph = TF_NewGraph()
    var session: TF_Session = null
    try {
      TF_SetConfig(options, settings, config.length.toLong, status)
      require(status, "TensorFlow does not take its settings")
      session =
        TF_LoadSessionFromSavedModel(options, null, path, list, tags.length, graph, null, status)
      require(status, s"$shown: TensorFlow ${version()} cannot load this SavedModel")
      new ModelSession(graph, session, shown)
    } catch {
      case e: Throwable =>
        TF_DeleteGraph(graph)
        throw e
    } finally {
      (names ++ Seq(list, path, settings)).foreach(_.close())
      TF_DeleteSessionOptions(options)
      TF_DeleteStatus(status)
    }
  }

  def version(): String = TF_Version().getString

  /** @throws IllegalArgumentException with TensorFlow's message, unless the status is OK */
  def require(status: TF_Status, what: => String): Unit =
    if (TF_GetCode(status) != TF_OK) {
      val message = TF_Message(status).getString(UTF_8)
      throw new IllegalArgumentException(s"$what: $message")
    }

  private def unsetVariables(shown: String, names: Seq[String]) = new IllegalArgumentException(
    s"$shown cannot be used outside of Python: its files do not restore the variables " +
      s"${names.mkString(", ")}. tf.saved_model.save does that with a model of Keras 3. Save it by " +
      "model.export(path), or repair it in Python: sparktf.repair_saved_model(src, dst)"
  )
}

/** Tensors of a graph by their name, "operation:index". */
private[savedmodel] object GraphTensor {

  def set(graph: TF_Graph, name: String, to: TF_Output, index: Int): Unit = {
    val (operation, output) = find(graph, name)
    to.position(index.toLong).oper(operation).index(output)
    to.position(0)
  }

  def find(graph: TF_Graph, name: String): (TF_Operation, Int) = {
    val colon = name.lastIndexOf(':')
    val (operation, index) =
      if (colon < 0) (name, 0) else (name.take(colon), name.drop(colon + 1).toInt)
    val found = TF_GraphOperationByName(graph, operation)
    if (found == null || found.isNull) {
      throw new IllegalArgumentException(s"the SavedModel's graph has no operation $operation")
    }
    (found, index)
  }
}

/**
 * Finds variables that a signature reads and that loading has not set. Reading one fails with "Could
 * not find variable", in the first batch of a job, where it is too late for good advice.
 */
final private class VariableCheck(graph: TF_Graph, session: TF_Session) {

  /** The names of those variables that the tensors depend on. */
  def unset(tensors: Seq[String]): Seq[String] = {
    val seen = mutable.Set.empty[Long]
    val variables = mutable.ArrayBuffer.empty[TF_Operation]
    var left = tensors.map(GraphTensor.find(graph, _)._1).toList
    while (left.nonEmpty) {
      val operation = left.head
      left = left.tail
      if (seen.add(operation.address)) {
        if (TF_OperationOpType(operation).getString == "VarHandleOp") variables += operation
        for (i <- 0 until TF_OperationNumInputs(operation)) {
          val input = new TF_Input().oper(operation).index(i)
          left ::= TF_OperationInput(input).oper
        }
      }
    }
    variables.toSeq.filterNot(isSet).map(TF_OperationName(_).getString).sorted
  }

  private def isSet(variable: TF_Operation): Boolean = {
    val status = TF_NewStatus()
    val handle = new TF_Output().oper(variable).index(0)
    val answer = new TF_Output()
    val result = new PointerPointer[TF_Tensor](1L)
    try {
      val name = s"sparktf/is_set/${TF_OperationName(variable).getString}"
      var question = TF_GraphOperationByName(graph, name)
      if (question == null || question.isNull) {
        val description = TF_NewOperation(graph, "VarIsInitializedOp", name)
        TF_AddInput(description, handle)
        question = TF_FinishOperation(description, status)
        ModelSession.require(status, s"variable $name")
      }
      answer.oper(question).index(0)
      TF_SessionRun(
        session,
        null,
        null: TF_Output,
        null: PointerPointer[_],
        0,
        answer,
        result,
        1,
        null: PointerPointer[_],
        0,
        null,
        status
      )
      ModelSession.require(status, s"variable $name")
      val tensor = result.get(classOf[TF_Tensor], 0)
      try new BytePointer(TF_TensorData(tensor)).get() != 0
      finally TF_DeleteTensor(tensor)
    } finally {
      Seq(handle, answer, result).foreach(_.close())
      TF_DeleteStatus(status)
    }
  }
}
