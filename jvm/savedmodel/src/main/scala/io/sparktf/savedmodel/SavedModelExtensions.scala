package io.sparktf.savedmodel

import org.apache.spark.sql.SparkSessionExtensions

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
