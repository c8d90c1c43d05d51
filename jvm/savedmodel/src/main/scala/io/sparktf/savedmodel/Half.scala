package io.sparktf.savedmodel

/** float16 (IEEE 754 binary16) and bfloat16 (the upper half of a float). */
private[savedmodel] object Half {

  /**
   * What is rounded to a half as a number itself would be: of the two floats that it is between, the odd
   * one, which is in the middle of no two halves.
   *
   * @param beside whether it is more (1) or less (-1) than the float nearest to it, or that one (0)
   */
  def odd(nearest: Float, beside: Int): Float =
    if (beside == 0 || (java.lang.Float.floatToRawIntBits(nearest) & 1) != 0) nearest
    else if (beside > 0) Math.nextUp(nearest)
    else Math.nextDown(nearest)

  def brainFromFloat(value: Float): Short = {
    val bits = java.lang.Float.floatToRawIntBits(value)
    if (value.isNaN) 0x7fc0.toShort
    else ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16).toShort // to the nearest, ties to even
  }

  def brainToFloat(half: Short): Float = java.lang.Float.intBitsToFloat(half << 16)

  def fromFloat(value: Float): Short = {
    val bits = java.lang.Float.floatToRawIntBits(value)
    val sign = (bits >>> 16) & 0x8000
    val magnitude = bits & 0x7fffffff
    val half =
      if (value.isNaN) 0x7e00
      else if (magnitude >= 0x477ff000) 0x7c00 // rounds to more than 65504
      else if (magnitude >= 0x38800000) { // normal
        (magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x38000000) >>> 13
      } else {
        // Subnormal: adding 0.5 shifts the bits to where they belong, and rounds them.
        val shifted = java.lang.Float.intBitsToFloat(magnitude) + 0.5f
        java.lang.Float.floatToRawIntBits(shifted) - java.lang.Float.floatToRawIntBits(0.5f)
      }
    (sign | half).toShort
  }

  def toFloat(half: Short): Float = {
    val sign = if (half < 0) -1f else 1f
    val exponent = (half >>> 10) & 0x1f
    val fraction = half & 0x3ff
    sign *
      (exponent match {
        case 0 => fraction * 5.9604645e-8f // 2^-24
        case 31 => if (fraction == 0) Float.PositiveInfinity else Float.NaN
        case _ => java.lang.Float.intBitsToFloat(((exponent + 112) << 23) | (fraction << 13))
      })
  }
}
