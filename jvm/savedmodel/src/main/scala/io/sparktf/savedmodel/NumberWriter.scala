package io.sparktf.savedmodel

import java.math.{BigDecimal, BigInteger}

import org.apache.spark.sql.catalyst.expressions.SpecializedGetters
import org.apache.spark.sql.types._
import org.apache.spark.unsafe.Platform

/**
 * Writes the elements of a column into a tensor's memory. A floating tensor gets the nearest numbers
 * that it holds, rounded once; a whole number that does not fit, and a finite one that would become
 * infinite, are errors.
 *
 * @param bytes of an element in the tensor
 * @param sameBits whether Spark holds the elements as the tensor does, so that arrays are copied
 */
sealed abstract private[savedmodel] class NumberWriter(val bytes: Int, val sameBits: Boolean) {

  /** Writes the element at `i` of an array or row. */
  def put(from: SpecializedGetters, i: Int, address: Long): Unit
}

private[savedmodel] object NumberWriter {

  /** None where the elements of such a column cannot be the tensor's. */
  def of(element: DataType, dtype: DType): Option[NumberWriter] = {
    if (element == NullType) return Some(new Nothing(dtype))
    val same = element == dtype.sparkType && fixed(element) == dtype.bytes
    dtype.code match {
      case DType.Float32 | DType.Float64 | DType.Float16 | DType.BFloat16 =>
        reader(element).map(read => new Floating(read, dtype, same))
      case DType.Bool => if (element == BooleanType) Some(new Bool(dtype)) else None
      case DType.Str => None
      case _ => element match {
          case d: DecimalType => Some(new WholeDecimal(d, dtype))
          case other => integer(other).map(read => new Whole(read, dtype, same))
        }
    }
  }

  /** The size of an element in Spark's arrays, 0 where it has none. */
  private def fixed(element: DataType): Int = element match {
    case BooleanType | ByteType => 1
    case ShortType => 2
    case IntegerType | FloatType => 4
    case LongType | DoubleType => 8
    case _ => 0
  }

  sealed private trait ReadDouble {
    def apply(from: SpecializedGetters, i: Int): Double

    /** The nearest float. */
    def float(from: SpecializedGetters, i: Int): Float = apply(from, i).toFloat

    /** A float that is rounded to a half as the number itself: see [[Half.odd]]. */
    def odd(from: SpecializedGetters, i: Int): Float = {
      val value = apply(from, i)
      Half.odd(value.toFloat, java.lang.Double.compare(value, value.toFloat.toDouble))
    }
  }

  sealed private trait ReadLong {
    def apply(from: SpecializedGetters, i: Int): Long
  }

  private def reader(element: DataType): Option[ReadDouble] = element match {
    case FloatType => Some(new ReadDouble {
        override def apply(from: SpecializedGetters, i: Int): Double = from.getFloat(i).toDouble
        override def odd(from: SpecializedGetters, i: Int): Float = from.getFloat(i)
      })
    case DoubleType => Some(new ReadDouble {
        override def apply(from: SpecializedGetters, i: Int): Double = from.getDouble(i)
      })
    case d: DecimalType => Some(new ReadDouble {
        private def decimal(from: SpecializedGetters, i: Int): Decimal =
          from.getDecimal(i, d.precision, d.scale)
        override def apply(from: SpecializedGetters, i: Int): Double = decimal(from, i).toDouble
        override def float(from: SpecializedGetters, i: Int): Float = {
          val value = decimal(from, i)
          val double = value.toDouble
          // The second rounding tells where the first has led to the middle of two floats.
          val isMiddle = (java.lang.Double.doubleToRawLongBits(double) & 0x1fffffffL) == 0x10000000L
          if (isMiddle || math.abs(double) < java.lang.Float.MIN_NORMAL)
            value.toJavaBigDecimal.floatValue
          else double.toFloat
        }
        override def odd(from: SpecializedGetters, i: Int): Float = {
          val (value, nearest) = (decimal(from, i).toJavaBigDecimal, float(from, i))
          if (nearest.isInfinite) nearest
          else Half.odd(nearest, value.compareTo(new BigDecimal(nearest.toDouble)))
        }
      })
    case other => integer(other).map(read =>
        new ReadDouble {
          override def apply(from: SpecializedGetters, i: Int): Double = read(from, i).toDouble
          override def float(from: SpecializedGetters, i: Int): Float = read(from, i).toFloat
          override def odd(from: SpecializedGetters, i: Int): Float = {
            val value = read(from, i)
            Half.odd(value.toFloat, java.lang.Long.compare(value, value.toFloat.toLong))
          }
        }
      )
  }

  private def integer(element: DataType): Option[ReadLong] = element match {
    case ByteType => Some(new ReadLong {
        override def apply(from: SpecializedGetters, i: Int): Long = from.getByte(i).toLong
      })
    case ShortType => Some(new ReadLong {
        override def apply(from: SpecializedGetters, i: Int): Long = from.getShort(i).toLong
      })
    case IntegerType => Some(new ReadLong {
        override def apply(from: SpecializedGetters, i: Int): Long = from.getInt(i).toLong
      })
    case LongType => Some(new ReadLong {
        override def apply(from: SpecializedGetters, i: Int): Long = from.getLong(i)
      })
    case _ => None
  }

  final private class Floating(read: ReadDouble, dtype: DType, same: Boolean)
    extends NumberWriter(dtype.bytes, same) {
    private val code = dtype.code

    override def put(from: SpecializedGetters, i: Int, address: Long): Unit =
      code match {
        case DType.Float64 => Platform.putDouble(null, address, read(from, i))
        case DType.Float32 =>
          val float = read.float(from, i)
          if (float.isInfinite) requireInfinite(from, i)
          Platform.putFloat(null, address, float)
        case DType.Float16 =>
          val half = Half.fromFloat(read.odd(from, i))
          if (Half.toFloat(half).isInfinite) requireInfinite(from, i)
          Platform.putShort(null, address, half)
        case _ =>
          val half = Half.brainFromFloat(read.odd(from, i))
          if (Half.brainToFloat(half).isInfinite) requireInfinite(from, i)
          Platform.putShort(null, address, half)
      }

    private def requireInfinite(from: SpecializedGetters, i: Int): Unit = {
      val value = read(from, i)
      if (!value.isInfinite) {
        throw new ArithmeticException(s"$value is beyond what ${dtype.name} can hold")
      }
    }
  }

  final private class Whole(read: ReadLong, dtype: DType, same: Boolean)
    extends NumberWriter(dtype.bytes, same) {
    private val bits = dtype.bytes * 8
    private val min = if (dtype.isUnsigned) 0L else Long.MinValue >> (64 - bits)
    private val max =
      if (bits == 64) Long.MaxValue
      else if (dtype.isUnsigned) (1L << bits) - 1
      else (1L << (bits - 1)) - 1

    override def put(from: SpecializedGetters, i: Int, address: Long): Unit = {
      val value = read(from, i)
      if (value < min || value > max) throw misfit(value, dtype)
      putWhole(value, bytes, address)
    }
  }

  /** Also for uint64 beyond what a long holds. */
  final private class WholeDecimal(decimal: DecimalType, dtype: DType)
    extends NumberWriter(dtype.bytes, false) {
    private val bits = dtype.bytes * 8

    override def put(from: SpecializedGetters, i: Int, address: Long): Unit = {
      val value = from.getDecimal(i, decimal.precision, decimal.scale).toJavaBigDecimal
      val whole: BigInteger =
        try value.toBigIntegerExact
        catch {
          case _: ArithmeticException => throw new ArithmeticException(s"$value is no whole number")
        }
      val fits =
        if (dtype.isUnsigned) whole.signum >= 0 && whole.bitLength <= bits
        else whole.bitLength < bits
      if (!fits) throw misfit(whole, dtype)
      putWhole(whole.longValue, bytes, address)
    }
  }

  private def misfit(value: Any, dtype: DType) =
    new ArithmeticException(s"$value does not fit ${dtype.name}")

  private def putWhole(value: Long, bytes: Int, address: Long): Unit = bytes match {
    case 1 => Platform.putByte(null, address, value.toByte)
    case 2 => Platform.putShort(null, address, value.toShort)
    case 4 => Platform.putInt(null, address, value.toInt)
    case _ => Platform.putLong(null, address, value)
  }

  /** For columns whose values are null: there is none to write. */
  final private class Nothing(dtype: DType) extends NumberWriter(dtype.bytes, false) {
    override def put(from: SpecializedGetters, i: Int, address: Long): Unit =
      throw new IllegalStateException("a column of no type has a value")
  }

  final private class Bool(dtype: DType) extends NumberWriter(dtype.bytes, true) {
    override def put(from: SpecializedGetters, i: Int, address: Long): Unit =
      Platform.putBoolean(null, address, from.getBoolean(i))
  }
}
