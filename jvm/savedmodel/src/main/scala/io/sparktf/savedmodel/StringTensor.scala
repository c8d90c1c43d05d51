package io.sparktf.savedmodel

import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import java.nio.charset.StandardCharsets.UTF_8

import org.apache.spark.unsafe.Platform
import org.tensorflow.internal.c_api._
import org.tensorflow.internal.c_api.global.tensorflow._

/** Tensors of strings, whose elements are TensorFlow's own string objects. */
private[savedmodel] object StringTensor {

  /** sizeof(TF_TString). */
  final val ElementSize = 24L

  def fill(tensor: TF_Tensor, values: collection.Seq[Array[Byte]]): Unit = {
    val first = new TF_TString(TF_TensorData(tensor))
    Platform.setMemory(first.address, 0, values.length * ElementSize) // all empty: can be freed
    var i = 0
    while (i < values.length) {
      val string = first.getPointer(i.toLong)
      val bytes = values(i)
      val to = TF_TString_ResizeUninitialized(string, bytes.length.toLong)
      Platform.copyMemory(bytes, Platform.BYTE_ARRAY_OFFSET, null, to.address, bytes.length.toLong)
      i += 1
    }
  }

  /** Frees what `fill` has allocated, which deleting a tensor that TensorFlow did not make leaves. */
  def free(tensor: TF_Tensor, count: Int): Unit = {
    val first = new TF_TString(TF_TensorData(tensor))
    var i = 0
    while (i < count) {
      TF_TString_Dealloc(first.getPointer(i.toLong))
      i += 1
    }
  }

  def bytes(tensor: TF_Tensor, i: Long): Array[Byte] = {
    val string = new TF_TString(TF_TensorData(tensor)).getPointer(i)
    val bytes = new Array[Byte](TF_TString_GetSize(string).toInt)
    val from = TF_TString_GetDataPointer(string).address
    Platform.copyMemory(null, from, bytes, Platform.BYTE_ARRAY_OFFSET, bytes.length.toLong)
    bytes
  }

  /** Whether these are UTF-8. */
  def isText(bytes: Array[Byte]): Boolean = {
    var i = 0
    while (i < bytes.length && bytes(i) >= 0) i += 1
    i == bytes.length || {
      try {
        UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, i, bytes.length - i))
        true
      } catch {
        case _: CharacterCodingException => false
      }
    }
  }
}
