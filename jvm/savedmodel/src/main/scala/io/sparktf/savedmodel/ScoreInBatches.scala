package io.sparktf.savedmodel

import scala.collection.mutable

import org.apache.spark.sql.{SparkSession, SparkSessionExtensions, Strategy}
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.SparkPlan

/**
 * `spark.sql.extensions=io.sparktf.savedmodel.SavedModelExtensions`: models registered as functions
 * score in batches in every session, also in those that are made after the function.
 */
final class SavedModelExtensions extends (SparkSessionExtensions => Unit) {
  override def apply(extensions: SparkSessionExtensions): Unit = {
    extensions.injectPreCBORule(_ => ScoreInBatches)
    extensions.injectPlannerStrategy(_ => ScoreBatchesStrategy)
  }
}

/**
 * Takes the calls of models out of expressions, into operators of their own that evaluate them in
 * batches below; what is left is a reference to the result. (Spark does so with functions in Python,
 * by its rule ExtractPythonUDFs.)
 *
 * Calls with the same arguments are evaluated once. Conditions of a filter that call no model come
 * first.
 */
private[savedmodel] object ScoreInBatches extends Rule[LogicalPlan] {

  /** Makes it part of a session that is there already; nothing changes if it is. */
  def enable(session: SparkSession): Unit = {
    val methods = session.experimental
    methods.synchronized {
      if (!methods.extraOptimizations.contains(ScoreInBatches)) {
        methods.extraOptimizations = methods.extraOptimizations :+ ScoreInBatches
      }
      if (!methods.extraStrategies.contains(ScoreBatchesStrategy)) {
        methods.extraStrategies = methods.extraStrategies :+ ScoreBatchesStrategy
      }
    }
  }

  override def apply(plan: LogicalPlan): LogicalPlan = {
    val children = plan.children.map(apply)
    val changed = plan.children.zip(children).exists { case (before, after) => before ne after }
    rewrite(if (changed) plan.withNewChildren(children.toIndexedSeq) else plan)
  }

  private def rewrite(plan: LogicalPlan): LogicalPlan = plan match {
    case _: ScoreBatches => plan
    case filter @ Filter(condition, child) if calls(filter).nonEmpty =>
      val (scored, plain) = conjuncts(condition).partition(c => isCall(c) || c.exists(isCall))
      val (early, late) = plain.partition(_.deterministic)
      val below = if (early.isEmpty) child else Filter(early.reduce(And(_, _)), child)
      extract(Filter((late ++ scored).reduce(And(_, _)), below))
    case _ if calls(plan).nonEmpty => extract(plan)
    case _ => plan
  }

  private def conjuncts(condition: Expression): Seq[Expression] = condition match {
    case And(left, right) => conjuncts(left) ++ conjuncts(right)
    case other => Seq(other)
  }

  /** The calls that can be taken out, and whose arguments hold no other of these. */
  private def calls(plan: LogicalPlan): Seq[ScalaUDF] =
    plan.expressions.flatMap(_.collect {
      case call: ScalaUDF if isApart(call) && !call.children.exists(_.exists(isApart)) => call
    })

  /**
   * Whether it is a call for the rows of a plan. One that takes the element of a lambda around it stays
   * there, and scores an element at a time.
   */
  private def isApart(expression: Expression): Boolean =
    isCall(expression) && !takesElement(expression, Set.empty)

  private def takesElement(expression: Expression, own: Set[ExprId]): Boolean = expression match {
    case element: NamedLambdaVariable => !own(element.exprId)
    case lambda: LambdaFunction =>
      takesElement(lambda.function, own ++ lambda.arguments.map(_.exprId))
    case other => other.children.exists(takesElement(_, own))
  }

  private def isCall(expression: Expression): Boolean = expression match {
    case udf: ScalaUDF => udf.function.isInstanceOf[ScoringFunction]
    case _ => false
  }

  private def extract(plan: LogicalPlan): LogicalPlan = {
    val results = mutable.LinkedHashMap.empty[Expression, Attribute]
    var children = plan.children
    calls(plan).foreach { call =>
      if (!results.contains(call.canonicalized)) {
        val child = children.indexWhere(c => call.references.subsetOf(c.outputSet))
        if (child < 0) throw notOfOneSide(call)
        val (below, result) = evaluated(call, children(child), plan)
        children = children.updated(child, below)
        results.put(call.canonicalized, result)
      }
    }
    val replaced = plan.withNewChildren(children.toIndexedSeq).transformExpressionsDown {
      case call: ScalaUDF if results.contains(call.canonicalized) => results(call.canonicalized)
    }
    val done = rewrite(replaced) // calls of calls
    if (done.outputSet == plan.outputSet) done else Project(plan.output, done)
  }

  /** A plan that evaluates the call, and the attribute that is its result. */
  private def evaluated(
      call: ScalaUDF,
      child: LogicalPlan,
      parent: LogicalPlan
  ): (LogicalPlan, Attribute) = child match {
    // What a filter has scored need not be scored again for the columns.
    case Project(kept, scored) if isTrimmed(kept, scored) && find(scored, call).isDefined =>
      (scored, find(scored, call).get)
    case _ =>
      val scoring = call.function.asInstanceOf[ScoringFunction].scoring
      val arguments = call.children.toList
      scoring.check(arguments.map(argument => argument.sql -> argument.dataType))
      val result = AttributeReference(scoring.model.signature.name, call.dataType)()
      val needed = neededOf(child, parent, call)
      val read = needed ++ AttributeSet(arguments.flatMap(_.references))
      val input =
        if (child.outputSet.subsetOf(read)) child
        else Project(child.output.filter(read.contains), child)
      (
        ScoreBatches(scoring, arguments, result, input.output.filter(needed.contains), input),
        result
      )
  }

  /** The columns of the child that are used above the call. */
  private def neededOf(child: LogicalPlan, parent: LogicalPlan, call: ScalaUDF): AttributeSet =
    parent match {
      case _: Project | _: Aggregate =>
        val outside = parent.expressions.map(_.transformDown {
          case same: ScalaUDF if isCall(same) && same.semanticEquals(call) =>
            Literal(null, call.dataType)
        })
        AttributeSet(outside.flatMap(_.references) ++ results(child))
      case _ => child.outputSet
    }

  /** Of calls that have been taken out before. */
  private def results(plan: LogicalPlan): Seq[Attribute] = plan match {
    case scored: ScoreBatches => scored.result +: results(scored.child)
    case _ => Nil
  }

  private def isTrimmed(kept: Seq[NamedExpression], scored: LogicalPlan): Boolean =
    kept.forall(_.isInstanceOf[Attribute]) && scored.isInstanceOf[Filter]

  private def find(plan: LogicalPlan, call: ScalaUDF): Option[Attribute] = plan match {
    case Filter(_, child) => find(child, call)
    case scored: ScoreBatches =>
      val function = call.function.asInstanceOf[ScoringFunction]
      val same = scored.scoring == function.scoring &&
        scored.arguments.length == call.children.length
      if (same && scored.arguments.zip(call.children).forall { case (a, b) => a.semanticEquals(b) })
        Some(scored.result)
      else find(scored.child, call)
    case _ => None
  }

  private def notOfOneSide(call: ScalaUDF) = new IllegalArgumentException(
    s"${call.sql} takes columns of both sides of a join inside its condition: score the joined " +
      "table, or filter it"
  )
}

/**
 * A model's call for each row of its child.
 *
 * @param result the column of the results
 * @param kept the child's columns that are given on
 */
final private[savedmodel] case class ScoreBatches(
    scoring: Scoring,
    arguments: Seq[Expression],
    result: Attribute,
    kept: Seq[Attribute],
    child: LogicalPlan
) extends UnaryNode {
  override def output: Seq[Attribute] = kept :+ result
  override def producedAttributes: AttributeSet = AttributeSet(result)
  override protected def withNewChildInternal(newChild: LogicalPlan): ScoreBatches =
    copy(child = newChild)
}

private[savedmodel] object ScoreBatchesStrategy extends Strategy {
  override def apply(plan: LogicalPlan): Seq[SparkPlan] = plan match {
    // Columns and then the result under another name, as of most queries: no rows are copied for it.
    case Project(columns :+ Alias(column: Attribute, _), scored: ScoreBatches)
        if column.exprId == scored.result.exprId && columns.forall(scored.kept.contains) =>
      exec(scored, plan.output.last, columns.map(_.toAttribute))
    case scored: ScoreBatches => exec(scored, scored.result, scored.kept)
    case _ => Nil
  }

  private def exec(scored: ScoreBatches, result: Attribute, kept: Seq[Attribute]) = {
    val child = planLater(scored.child)
    Seq(ScoreBatchesExec(scored.scoring, scored.arguments, result, kept, child))
  }
}
