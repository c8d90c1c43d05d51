package io.sparktf.savedmodel

import scala.collection.mutable

import org.apache.spark.sql.{SparkSession, Strategy}
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.expressions.aggregate.AggregateExpression
import org.apache.spark.sql.catalyst.plans.InnerLike
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.SparkPlan

/**
 * Takes the calls of models out of expressions, into operators of their own that evaluate them in
 * batches below; what is left is a reference to the result. (Spark does so with functions in Python,
 * by its rule ExtractPythonUDFs.)
 *
 * Calls with the same arguments are evaluated once. A filter's first conditions are those that call no
 * model. Calls of what an aggregate gives come behind it, and those of an inner join's both sides behind
 * the join.
 *
 * Calls that no operator could have below it stay where they are, and score row by row: those of a
 * lambda's element, and those of both sides in the condition of another join.
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
    // What a command has are conditions for its table.
    case _: ScoreBatches | _: Command => plan
    case aggregate: Aggregate
        if aggregate.aggregateExpressions.exists(callsResults(_, aggregate)) =>
      rewrite(behind(aggregate))
    case join: Join if join.joinType.isInstanceOf[InnerLike] && ofBothSides(join).nonEmpty =>
      val (scored, plain) =
        (ofBothSides(join), conjuncts(join.condition.get).diff(ofBothSides(join)))
      val below = rewrite(join.copy(condition = plain.reduceOption(And(_, _))))
      rewrite(Filter(scored.reduce(And(_, _)), below))
    case filter @ Filter(condition, child) if calls(filter).nonEmpty =>
      // What comes behind a condition that is not deterministic, such as one that counts, stays there.
      val (free, late) = conjuncts(condition).span(_.deterministic)
      val (scored, early) = free.partition(_.exists(isCall))
      val below = if (early.isEmpty) child else Filter(early.reduce(And(_, _)), child)
      extract(Filter((scored ++ late).reduce(And(_, _)), below))
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
    }).filter(call => sideOf(call, plan) >= 0 && !call.exists(_.isInstanceOf[AggregateExpression]))

  /** The child that has all columns that are used, -1 if none has. */
  private def sideOf(expression: Expression, plan: LogicalPlan): Int =
    plan.children.indexWhere(child => expression.references.subsetOf(child.outputSet))

  /** Those of a join's conditions that call models for columns of both sides. */
  private def ofBothSides(join: Join): Seq[Expression] =
    join.condition.toSeq.flatMap(conjuncts)
      .filter(_.exists(call => isApart(call) && sideOf(call, join) < 0))

  /** Whether it calls a model for results of the aggregate or keys of its groups. */
  private def callsResults(expression: Expression, aggregate: Aggregate): Boolean =
    !isResult(expression, aggregate) &&
      (isApart(expression) || expression.children.exists(callsResults(_, aggregate)))

  private def isResult(expression: Expression, aggregate: Aggregate): Boolean =
    expression.isInstanceOf[AggregateExpression] ||
      aggregate.groupingExpressions.exists(_.semanticEquals(expression))

  /** The aggregate, and behind it the columns that call models for what it gives. */
  private def behind(aggregate: Aggregate): LogicalPlan = {
    val results = mutable.ArrayBuffer.empty[NamedExpression]
    def result(expression: Expression): Attribute = {
      results +=
        (expression match {
          case column: NamedExpression => column
          case other => Alias(other, "result")()
        })
      results.last.toAttribute
    }
    val columns = aggregate.aggregateExpressions.map {
      case column if callsResults(column, aggregate) =>
        column.transformDown { case part if isResult(part, aggregate) => result(part) }
          .asInstanceOf[NamedExpression]
      case column => result(column)
    }
    // By its fields, of which Spark 4 has one more: grouping expressions, results, child.
    val fields = aggregate.productIterator.toArray.updated(1, results.toSeq)
    Project(columns, aggregate.makeCopy(fields.map(_.asInstanceOf[AnyRef])))
  }

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
    val results = mutable.ArrayBuffer.empty[(ScalaUDF, Attribute)]
    // Not of arguments that are not deterministic: they are other ones for each call.
    def resultOf(call: ScalaUDF): Option[Attribute] = results.collectFirst {
      case (same, result) if (same eq call) || same.semanticEquals(call) => result
    }
    var children = plan.children
    calls(plan).foreach { call =>
      if (resultOf(call).isEmpty) {
        val child = sideOf(call, plan)
        val (below, result) = evaluated(call, children(child), plan)
        children = children.updated(child, below)
        results += call -> result
      }
    }
    val replaced = plan.withNewChildren(children.toIndexedSeq).transformExpressionsDown {
      case call: ScalaUDF if isCall(call) => resultOf(call).getOrElse(call)
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
      val arguments = scoring.arguments(call.children).toList
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
      val scoring = call.function.asInstanceOf[ScoringFunction].scoring
      val arguments = scoring.arguments(call.children)
      val same = scored.scoring == scoring && scored.arguments.length == arguments.length
      if (same && scored.arguments.zip(arguments).forall { case (a, b) => a.semanticEquals(b) })
        Some(scored.result)
      else find(scored.child, call)
    case _ => None
  }
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
