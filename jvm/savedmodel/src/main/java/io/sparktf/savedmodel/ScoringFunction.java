package io.sparktf.savedmodel;

import java.io.Serializable;
import scala.Function1;
import scala.Function10;
import scala.Function11;
import scala.Function12;
import scala.Function13;
import scala.Function14;
import scala.Function15;
import scala.Function16;
import scala.Function17;
import scala.Function18;
import scala.Function19;
import scala.Function2;
import scala.Function20;
import scala.Function21;
import scala.Function22;
import scala.Function3;
import scala.Function4;
import scala.Function5;
import scala.Function6;
import scala.Function7;
import scala.Function8;
import scala.Function9;

/**
 * A function of Spark's that scores. Called as a function it scores one row, as when Spark folds a
 * constant; the rule ScoreInBatches knows it by its class and has it evaluated in batches.
 *
 * <p>Spark casts a function to the type for the number of its arguments, before anything of ours
 * sees them. So this one is of all types, to say itself how many arguments it takes; which only
 * Java allows.
 */
@SuppressWarnings({"rawtypes", "unchecked"})
final class ScoringFunction
    implements Function1,
        Function2,
        Function3,
        Function4,
        Function5,
        Function6,
        Function7,
        Function8,
        Function9,
        Function10,
        Function11,
        Function12,
        Function13,
        Function14,
        Function15,
        Function16,
        Function17,
        Function18,
        Function19,
        Function20,
        Function21,
        Function22,
        Serializable {
  private static final long serialVersionUID = 1L;

  /** As many arguments as Spark's functions take. */
  static final int MOST = 22;

  private final Scoring scoring;

  ScoringFunction(Scoring scoring) {
    this.scoring = scoring;
  }

  Scoring scoring() {
    return scoring;
  }

  private Object one(Object... values) {
    return scoring.one(values);
  }

  @Override
  public Object apply(Object a) {
    return one(a);
  }

  @Override
  public Object apply(Object a, Object b) {
    return one(a, b);
  }

  @Override
  public Object apply(Object a, Object b, Object c) {
    return one(a, b, c);
  }

  @Override
  public Object apply(Object a, Object b, Object c, Object d) {
    return one(a, b, c, d);
  }

  @Override
  public Object apply(Object a, Object b, Object c, Object d, Object e) {
    return one(a, b, c, d, e);
  }

  @Override
  public Object apply(Object a, Object b, Object c, Object d, Object e, Object f) {
    return one(a, b, c, d, e, f);
  }

  @Override
  public Object apply(Object a, Object b, Object c, Object d, Object e, Object f, Object g) {
    return one(a, b, c, d, e, f, g);
  }

  @Override
  public Object apply(
      Object a, Object b, Object c, Object d, Object e, Object f, Object g, Object h) {
    return one(a, b, c, d, e, f, g, h);
  }

  @Override
  public Object apply(
      Object a, Object b, Object c, Object d, Object e, Object f, Object g, Object h, Object i) {
    return one(a, b, c, d, e, f, g, h, i);
  }

  @Override
  public Object apply(
      Object a,
      Object b,
      Object c,
      Object d,
      Object e,
      Object f,
      Object g,
      Object h,
      Object i,
      Object j) {
    return one(a, b, c, d, e, f, g, h, i, j);
  }

  @Override
  public Object apply(
      Object a,
      Object b,
      Object c,
      Object d,
      Object e,
      Object f,
      Object g,
      Object h,
      Object i,
      Object j,
      Object k) {
    return one(a, b, c, d, e, f, g, h, i, j, k);
  }

  @Override
  public Object apply(
      Object a,
      Object b,
      Object c,
      Object d,
      Object e,
      Object f,
      Object g,
      Object h,
      Object i,
      Object j,
      Object k,
      Object l) {
    return one(a, b, c, d, e, f, g, h, i, j, k, l);
  }

  @Override
  public Object apply(
      Object a,
      Object b,
      Object c,
      Object d,
      Object e,
      Object f,
      Object g,
      Object h,
      Object i,
      Object j,
      Object k,
      Object l,
      Object m) {
    return one(a, b, c, d, e, f, g, h, i, j, k, l, m);
  }

  @Override
  public Object apply(
      Object a,
      Object b,
      Object c,
      Object d,
      Object e,
      Object f,
      Object g,
      Object h,
      Object i,
      Object j,
      Object k,
      Object l,
      Object m,
      Object n) {
    return one(a, b, c, d, e, f, g, h, i, j, k, l, m, n);
  }

  @Override
  public Object apply(
      Object a,
      Object b,
      Object c,
      Object d,
      Object e,
      Object f,
      Object g,
      Object h,
      Object i,
      Object j,
      Object k,
      Object l,
      Object m,
      Object n,
      Object o) {
    return one(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
  }

  @Override
  public Object apply(
      Object a,
      Object b,
      Object c,
      Object d,
      Object e,
      Object f,
      Object g,
      Object h,
      Object i,
      Object j,
      Object k,
      Object l,
      Object m,
      Object n,
      Object o,
      Object p) {
    return one(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p);
  }

  @Override
  public Object apply(
      Object a,
      Object b,
      Object c,
      Object d,
      Object e,
      Object f,
      Object g,
      Object h,
      Object i,
      Object j,
      Object k,
      Object l,
      Object m,
      Object n,
      Object o,
      Object p,
      Object q) {
    return one(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q);
  }

  @Override
  public Object apply(
      Object a,
      Object b,
      Object c,
      Object d,
      Object e,
      Object f,
      Object g,
      Object h,
      Object i,
      Object j,
      Object k,
      Object l,
      Object m,
      Object n,
      Object o,
      Object p,
      Object q,
      Object r) {
    return one(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r);
  }

  @Override
  public Object apply(
      Object a,
      Object b,
      Object c,
      Object d,
      Object e,
      Object f,
      Object g,
      Object h,
      Object i,
      Object j,
      Object k,
      Object l,
      Object m,
      Object n,
      Object o,
      Object p,
      Object q,
      Object r,
      Object s) {
    return one(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s);
  }

  @Override
  public Object apply(
      Object a,
      Object b,
      Object c,
      Object d,
      Object e,
      Object f,
      Object g,
      Object h,
      Object i,
      Object j,
      Object k,
      Object l,
      Object m,
      Object n,
      Object o,
      Object p,
      Object q,
      Object r,
      Object s,
      Object t) {
    return one(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t);
  }

  @Override
  public Object apply(
      Object a,
      Object b,
      Object c,
      Object d,
      Object e,
      Object f,
      Object g,
      Object h,
      Object i,
      Object j,
      Object k,
      Object l,
      Object m,
      Object n,
      Object o,
      Object p,
      Object q,
      Object r,
      Object s,
      Object t,
      Object u) {
    return one(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u);
  }

  @Override
  public Object apply(
      Object a,
      Object b,
      Object c,
      Object d,
      Object e,
      Object f,
      Object g,
      Object h,
      Object i,
      Object j,
      Object k,
      Object l,
      Object m,
      Object n,
      Object o,
      Object p,
      Object q,
      Object r,
      Object s,
      Object t,
      Object u,
      Object v) {
    return one(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v);
  }

  @Override
  public Function1 curried() {
    throw new UnsupportedOperationException();
  }

  @Override
  public Function1 tupled() {
    throw new UnsupportedOperationException();
  }

  /** So that Spark sees when two plans are the same. */
  @Override
  public boolean equals(Object other) {
    return other instanceof ScoringFunction && ((ScoringFunction) other).scoring.equals(scoring);
  }

  @Override
  public int hashCode() {
    return scoring.hashCode();
  }

  @Override
  public String toString() {
    return scoring.model().toString();
  }
}
